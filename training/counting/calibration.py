"""What makes a counter's probabilities and intervals true, chosen on validation photos.

Counts are whole numbers, so the shortest range with 80% of the probability holds more than 80% of the truth: how much
probability a range must have for 80% of them to be right is measured, not assumed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from training.counting.metrics import Floats, Ints, expected_coverage, interval_coverage

SHARES = np.round(np.arange(0.3, 0.96, 0.005), 3)
WANTED_COVERAGE = 0.81  # promised are 80%; a little over keeps the promise on other photos
FLAGGED_IN_RANGE = 0.04  # of validation photos, none of which is beyond the range
DOUBTED_QUANTILE = 0.03  # of validation photos whose answer is the least sure, or has the smallest lead


def choose_interval_share(probabilities: Floats, targets: Ints, wanted: float = WANTED_COVERAGE) -> float:
    """The probability a range needs for `wanted` of the ranges to hold the true count; `targets` are columns.

    A few hundred photos know the held share to some two points only, and calibrated probabilities err in their own
    way: the mean of what was held and what they expect is steadier than either.
    """
    coverage = np.array([_coverage(probabilities, targets, float(share)) for share in SHARES])
    reached = np.flatnonzero(coverage >= wanted)
    nearest = np.abs(coverage - wanted).argmin() if len(reached) else len(SHARES) - 1
    return float(SHARES[nearest])


def _coverage(probabilities: Floats, targets: Ints, share: float) -> float:
    return (interval_coverage(probabilities, targets, share) + expected_coverage(probabilities, share)) / 2


def choose_beyond_probability(probabilities: Floats) -> float:
    """How sure of the highest count an answer must be to mean "this many or more": few in range are that sure."""
    highest = probabilities.shape[1] - 1
    sure = np.where(probabilities.argmax(axis=1) == highest, probabilities[:, highest], 0.0)
    return float(max(np.quantile(sure, 1 - FLAGGED_IN_RANGE), 1 / probabilities.shape[1]))


def count_decision(probabilities: Floats, targets: Ints, labels: tuple[str, ...]) -> dict[str, Any]:
    """The manifest's `decision` but for its temperature, from calibrated probabilities.

    A count is seldom sure to the piece, and its interval says so: only the least sure answers are unknown.
    """
    counts = [int(label) for label in labels]
    ordered = np.sort(probabilities, axis=1)
    threshold = float(np.quantile(ordered[:, -1], DOUBTED_QUANTILE))
    margin = float(np.quantile(ordered[:, -1] - ordered[:, -2], DOUBTED_QUANTILE))
    return {
        "thresholds": dict.fromkeys(labels, round(threshold, 4)),
        "ambiguous_margin": round(margin, 4),
        "trained_range": [min(counts), max(counts)],
        "interval": choose_interval_share(probabilities, targets),
        "beyond_probability": round(choose_beyond_probability(probabilities), 4),
    }
