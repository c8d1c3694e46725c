"""What a promotion counts, and what follows from the counts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

BAD = ("failed", "timed_out", "unverified", "worse")
# A device is decided by one of these; `worse` comes after.
DECIDED = ("verified", "failed", "timed_out", "unverified")
NAMES = ("seen", "verified", "failed", "timed_out", "unverified", "worse", "incompatible", "back")


def counter(name: str, wave: int) -> str:
    return f"{name}.{wave}"


@dataclass(frozen=True)
class Counts:
    """`by_wave` counts devices: `seen` ones, and of these the decided ones. `back`: proved on the previous model."""

    by_wave: Mapping[int, Mapping[str, int]] = field(default_factory=dict)

    @classmethod
    def summed(cls, shards: Iterable[Mapping[str, int]]) -> Counts:
        waves: dict[int, dict[str, int]] = {}
        for shard in shards:
            for key, amount in shard.items():
                name, _, wave = key.partition(".")
                one = waves.setdefault(int(wave), {})
                one[name] = one.get(name, 0) + amount
        return cls(waves)

    def of(self, name: str, wave: int | None = None) -> int:
        """Of one wave, or of all together."""
        waves = self.by_wave.values() if wave is None else [self.by_wave.get(wave, {})]
        return sum(counts.get(name, 0) for counts in waves)

    def undecided(self, wave: int | None = None) -> int:
        return self.of("seen", wave) - sum(self.of(name, wave) for name in DECIDED)

    def to_json(self, wave: int | None = None) -> dict[str, int]:
        return {name: self.of(name, wave) for name in NAMES} | {"undecided": self.undecided(wave)}


@dataclass(frozen=True)
class Gate:
    """When a wave may be left: `share` (0-1) of the devices seen are verified, and no fewer than `minimum`."""

    share: float = 0.9
    minimum: int = 1


def is_open(gate: Gate, minimum: int, counts: Counts, wave: int) -> bool:
    """`minimum`: the gate's, or fewer where the wave holds fewer devices."""
    seen = counts.of("seen", wave)
    enough = counts.of("verified", wave) >= max(minimum, gate.share * seen - 1e-9)
    # Rounding must not keep a gate shut that is open.
    return enough and counts.undecided(wave) <= (1 - gate.share) * seen + 1e-9


@dataclass(frozen=True)
class Limit:
    """Over `share` (0-1) of the devices seen, and no fewer than `minimum` of them, the promotion is taken back.

    `is_exact`: the minimum was asked for; else a fleet of three cameras does not have to lose all of them.
    """

    share: float
    minimum: int
    is_exact: bool = False

    def needed(self, devices: int) -> int:
        return self.minimum if self.is_exact else max(1, min(self.minimum, math.ceil(self.share * devices)))

    def is_crossed(self, bad: int, seen: int, devices: int) -> bool:
        return bad >= self.needed(devices) and bad > self.share * seen


@dataclass(frozen=True)
class AbortRules:
    failed: Limit = Limit(0.2, 3)
    timed_out: Limit = Limit(0.3, 5)
    unverified: Limit = Limit(0.1, 2)
    worse: Limit = Limit(0.2, 3)


def broken_rule(rules: AbortRules, counts: Counts, devices: int) -> str | None:
    """The first rule that is broken, as a sentence."""
    seen = counts.of("seen")
    for name in BAD:
        limit: Limit = getattr(rules, name)
        bad = counts.of(name)
        if limit.is_crossed(bad, seen, devices):
            what = name.replace("_", " ")
            return (
                f"{bad} of {seen} devices {what}: over {limit.share:.0%}, and at least {limit.needed(devices)} of them."
            )
    return None
