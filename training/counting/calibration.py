"""What makes a counter's probabilities and intervals true, chosen on validation photos.

Counts are whole numbers, so the shortest range with 80% of the probability holds more than 80% of the truth: how much
probability a range must have for 80% of them to be right is measured, not assumed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from training.counting.metrics import Floats, Ints, interval_coverage

SHARES = np.round(np.arange(0.3, 0.96, 0.005), 3)
WANTED_COVERAGE = 0.81  # promised are 80%; a little over keeps the promise on other photos
BEYOND_QUANTILE = 0.97
SURE_ENOUGH_TO_DOUBT = 0.6


def choose_interval_share(probabilities: Floats, targets: Ints, wanted: float = WANTED_COVERAGE) -> float:
    """The probability a range needs for `wanted` of the ranges to hold the true count; `targets` are columns."""
    coverage = np.array([interval_coverage(probabilities, targets, float(share)) for share in SHARES])
    reached = np.flatnonzero(coverage >= wanted)
    nearest = np.abs(coverage - wanted).argmin() if len(reached) else len(SHARES) - 1
    return float(SHARES[nearest])


def choose_beyond_probability(probabilities: Floats, targets: Ints) -> float:
    """How sure of the highest count an answer must be to mean "this many or more".

    All but a few validation photos, none of which is beyond the range, stay below it.
    """
    highest = probabilities.shape[1] - 1
    sure = probabilities[probabilities.argmax(axis=1) == highest, highest]
    if not len(sure):
        return 1.0
    return float(np.clip(np.quantile(sure, BEYOND_QUANTILE), SURE_ENOUGH_TO_DOUBT, 1.0))


def count_decision(probabilities: Floats, targets: Ints, labels: tuple[str, ...]) -> dict[str, Any]:
    """The count's part of the manifest's `decision`, from calibrated probabilities."""
    counts = [int(label) for label in labels]
    return {
        "trained_range": [min(counts), max(counts)],
        "interval": choose_interval_share(probabilities, targets),
        "beyond_probability": round(choose_beyond_probability(probabilities, targets), 4),
    }
