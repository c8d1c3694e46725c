"""Which slot runs: one small file, replaced whole, so that a kill leaves the decision before or the one after."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, NamedTuple, Optional, Tuple

from device.durable import read_json, write_json

KEPT_REFUSALS = 8


class Pointer(NamedTuple):
    """`active` None: no model, or the factory's. `provisional`: the service has not confirmed `active` yet.

    `starts`: of the agent since `active` last ran for a while; `crashes`: those of them that `active`'s engine ended.
    `refused`: `deployment:digest` not to be tried again. `trial`: the one that is being tried, `trials` times by now.
    `failure`: of an activation, until the service has heard of it.
    """

    active: Optional[str] = None
    previous: Optional[str] = None
    deployment: Optional[str] = None
    provisional: bool = False
    starts: int = 0
    crashes: int = 0
    trial: Optional[str] = None
    trials: int = 0
    refused: Tuple[str, ...] = ()
    failure: Optional[Dict[str, Any]] = None

    def activated(self, digest: Optional[str], deployment: Optional[str]) -> Pointer:
        """The slot that was proved last stays the one to go back to."""
        previous = self.previous if self.provisional else self.active
        provisional = digest is not None
        return self._replace(
            active=digest, previous=previous, deployment=deployment, provisional=provisional, failure=None
        ).lasted()

    def confirmed(self) -> Pointer:
        return self._replace(provisional=False, starts=0)

    def lasted(self) -> Pointer:
        return self._replace(starts=0, crashes=0)

    def tried_once_more(self, deployment: Optional[str], digest: Optional[str]) -> Pointer:
        mark = refusal(deployment, digest)
        return self._replace(trial=mark, trials=self.trials + 1 if self.trial == mark else 1)

    def rolled_back(self, failure: Dict[str, Any]) -> Pointer:
        """To the slot before; what failed is not tried again for this deployment."""
        refusing = self.refusing(self.deployment, self.active)
        return refusing._replace(
            active=self.previous, previous=None, deployment=None, provisional=False, failure=failure
        ).lasted()

    def refusing(self, deployment: Optional[str], digest: Optional[str]) -> Pointer:
        mark = refusal(deployment, digest)
        return self._replace(refused=(*[each for each in self.refused if each != mark], mark)[-KEPT_REFUSALS:])


def refusal(deployment: Optional[str], digest: Optional[str]) -> str:
    return "%s:%s" % (deployment, digest)


def read_pointer(path: Path) -> Pointer:
    """A first start's where there is none or it cannot be read."""
    document = read_json(path)
    known = {name: document[name] for name in Pointer._fields if name in document}
    if "refused" in known:
        known["refused"] = tuple(known["refused"])
    return Pointer(**known)


def write_pointer(path: Path, pointer: Pointer) -> None:
    """Raises: OSError."""
    write_json(path, dict(pointer._asdict()))
