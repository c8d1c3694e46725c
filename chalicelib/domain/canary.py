"""Whether the canary does worse than the model it is to replace."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from chalicelib.domain.plan import EndpointPlan
from chalicelib.domain.quality import MIN_DEVIATIONS, deviation


@dataclass(frozen=True)
class Variant:
    """`errors` are not among `answers`; cold starts and time-outs are in neither."""

    answers: int = 0
    unknown: int = 0
    errors: int = 0

    @property
    def asked(self) -> int:
        return self.answers + self.errors

    @property
    def error_rate(self) -> float:
        return self.errors / max(1, self.asked)

    @property
    def unknown_rate(self) -> float:
        return self.unknown / max(1, self.answers)

    def to_json(self) -> dict[str, float]:
        rates = {"error_rate": round(self.error_rate, 4), "unknown_rate": round(self.unknown_rate, 4)}
        return {**vars(self), **rates}


@dataclass(frozen=True)
class VariantCounts:
    canary: Variant = field(default_factory=Variant)
    primary: Variant = field(default_factory=Variant)

    @classmethod
    def summed(cls, shards: Iterable[Mapping[str, int]]) -> VariantCounts:
        total: dict[str, int] = {}
        for shard in shards:
            for name, amount in shard.items():
                total[name] = total.get(name, 0) + amount
        canary, primary = (
            Variant(*(total.get(f"{variant}.{name}", 0) for name in ("answers", "unknown", "errors")))
            for variant in ("canary", "primary")
        )
        return cls(canary, primary)

    def to_json(self) -> dict[str, dict[str, float]]:
        return {"canary": self.canary.to_json(), "primary": self.primary.to_json()}


@dataclass(frozen=True)
class Rise:
    """A rate of the canary lies over the primary's by more than it may; `is_certain`: and not by chance."""

    why: str
    is_certain: bool


def rises(plan: EndpointPlan, counts: VariantCounts) -> list[Rise]:
    """Judged from the canary's minimum of questions on, after every answer: so often that chance would show one of two
    equal models as worse before long.
    """
    if counts.canary.asked < plan.canary_minimum:
        return []
    both = counts.canary, counts.primary
    errors = tuple(each.errors for each in both), tuple(each.asked for each in both)
    unknown = tuple(each.unknown for each in both), tuple(each.answers for each in both)
    found = [_rise("error rate", plan.max_rise, *errors), _rise("unknown rate", plan.max_rise, *unknown)]
    return [rise for rise in found if rise is not None]


def canary_fault(plan: EndpointPlan, counts: VariantCounts) -> str | None:
    """Why the canary is taken back, as a sentence."""
    return next((rise.why for rise in rises(plan, counts) if rise.is_certain), None)


def canary_doubt(plan: EndpointPlan, counts: VariantCounts) -> str | None:
    """Why it is not let go yet, as a sentence: it looks worse, and too little was answered to say so."""
    return next((rise.why for rise in rises(plan, counts)), None)


def _rise(what: str, most: float, hits: tuple[int, ...], trials: tuple[int, ...]) -> Rise | None:
    canary, primary = (hit / max(1, tried) for hit, tried in zip(hits, trials, strict=True))
    if canary - primary <= most:
        return None
    why = f"The canary's {what} is {canary:.0%}; the {what} of the model it was to replace is {primary:.0%}."
    return Rise(why, canary - primary > MIN_DEVIATIONS * deviation((hits[0], hits[1]), (trials[0], trials[1])))
