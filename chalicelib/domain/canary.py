"""Whether the canary does worse than the model it is to replace."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from chalicelib.domain.plan import EndpointPlan


@dataclass(frozen=True)
class Variant:
    """`errors` are not among `answers`; cold starts and time-outs are in neither."""

    answers: int = 0
    unknown: int = 0
    errors: int = 0

    @property
    def error_rate(self) -> float:
        return self.errors / max(1, self.answers + self.errors)

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


def canary_fault(plan: EndpointPlan, counts: VariantCounts) -> str | None:
    """Why the canary is taken back, as a sentence; judged from its minimum of questions on."""
    if counts.canary.answers + counts.canary.errors < plan.canary_minimum:
        return None
    for name in ("error_rate", "unknown_rate"):
        canary, primary = getattr(counts.canary, name), getattr(counts.primary, name)
        if canary - primary > plan.max_rise:
            what = name.replace("_", " ")
            return f"The canary's {what} is {canary:.0%}; the {what} of the model it was to replace is {primary:.0%}."
    return None
