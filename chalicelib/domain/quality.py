"""Whether a camera sees worse with the new model than it did with its own model before."""

from __future__ import annotations

import math
from dataclasses import dataclass

MIN_PREDICTIONS = 100
MAX_UNKNOWN_RISE = 0.10
MAX_CONFIDENCE_DROP = 0.10
# A fleet has many cameras, and each is judged with every report; so is a canary with every answer.
MIN_DEVIATIONS = 4.0


@dataclass(frozen=True)
class Window:
    """What a camera counted since a model was activated on it."""

    predictions: int = 0
    unknown: int = 0
    confidence_sum: float = 0.0
    errors: int = 0

    @property
    def unknown_rate(self) -> float:
        return min(1.0, self.unknown / self.predictions) if self.predictions else 0.0

    @property
    def mean_confidence(self) -> float:
        return self.confidence_sum / self.predictions if self.predictions else 0.0


def worse(before: Window, after: Window) -> str | None:
    """Why `after` is worse than `before`, as a sentence; None when it is not, or when too little was seen."""
    if min(before.predictions, after.predictions) < MIN_PREDICTIONS:
        return None
    rise = after.unknown_rate - before.unknown_rate
    unknown, predictions = (after.unknown, before.unknown), (after.predictions, before.predictions)
    if rise > MAX_UNKNOWN_RISE and rise > MIN_DEVIATIONS * deviation(unknown, predictions):
        return f"{after.unknown_rate:.0%} of its answers are unknown, {before.unknown_rate:.0%} were before."
    drop = before.mean_confidence - after.mean_confidence
    if drop > MAX_CONFIDENCE_DROP:
        return f"Its mean confidence fell from {before.mean_confidence:.2f} to {after.mean_confidence:.2f}."
    return None


def deviation(hits: tuple[int, int], trials: tuple[int, int]) -> float:
    """Of the difference of the two rates, were they the same; infinite where one of them was never tried."""
    if min(trials) <= 0:
        return math.inf
    both = min(1.0, sum(hits) / sum(trials))
    return math.sqrt(both * (1 - both) * sum(1 / each for each in trials))
