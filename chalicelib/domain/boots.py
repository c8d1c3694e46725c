"""Which start of a camera's agent is speaking: the last two boots, and where each of them stopped counting."""

from __future__ import annotations

from dataclasses import dataclass, replace

from chalicelib.domain.fleet_errors import ClonedDeviceError, SequenceBackwardsError, StaleBootError


@dataclass(frozen=True)
class Boots:
    """`sequence` and `previous_sequence`: the last numbers heard of each boot.

    `speaking`: who was heard last, refused or not; `alternations`: how often the boot before spoke on, by turns with
    the later one.
    """

    current: str | None = None
    sequence: int = 0
    previous: str | None = None
    previous_sequence: int = 0
    alternations: int = 0
    speaking: str | None = None

    def heard(self, boot: str, announced: str | None, sequence: int) -> Boots:
        """After a report. `announced` is the boot before, as the report names it. Unchanged by a replay.

        Raises: StaleBootError, ClonedDeviceError, SequenceBackwardsError.
        """
        if boot == self.current:
            return self._went_on(sequence)
        if boot == self.previous:
            raise self._spoke_after_its_end(sequence)
        if self.current is not None and announced not in (self.current, self.previous):
            raise StaleBootError(
                f"Boot {boot} is older than the last two heard of this device. A camera that was re-flashed needs a "
                "new key: POST /devices/{id}/rotate."
            )
        return Boots(boot, sequence, self.current, self.sequence, speaking=boot)

    def spoken_after_its_end(self, boot: str, sequence: int) -> Boots | None:
        """What to remember of a refused report by the boot before; None when it did not go on counting."""
        if boot != self.previous or sequence <= self.previous_sequence:
            return None
        turns = self.alternations + (self.speaking != boot)
        return replace(self, previous_sequence=sequence, alternations=turns, speaking=boot)

    def _went_on(self, sequence: int) -> Boots:
        if sequence < self.sequence:
            raise SequenceBackwardsError(
                f"Report {sequence} comes after report {self.sequence} of the same boot; it is ignored.",
                expected=self.sequence + 1,
            )
        return self if sequence == self.sequence else replace(self, sequence=sequence, speaking=self.current)

    def _spoke_after_its_end(self, sequence: int) -> StaleBootError | ClonedDeviceError:
        by_turns = self.alternations + (self.speaking != self.previous)
        if sequence > self.previous_sequence and by_turns > 1:
            return ClonedDeviceError(
                f"Boots {self.current} and {self.previous} of this device speak by turns: two cameras use one key. "
                "Give each its own: POST /devices."
            )
        return StaleBootError(f"Boot {self.previous} ended when boot {self.current} began; its reports are ignored.")
