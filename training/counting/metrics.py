"""Figures of a counter, from probabilities (n, counts) and true counts (n,): pure numpy, no framework."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class CountScores:
    """rmse: of the expected value. interval_coverage: share of true counts inside the answered interval."""

    accuracy: float
    within_one: float
    rmse: float
    mean_error: float
    ranked_probability_score: float


def count_scores(probabilities: Floats, targets: Ints, counts: Ints | None = None) -> CountScores:
    """`counts` are what the columns stand for; 0, 1, 2 ... if not given."""
    values = np.arange(probabilities.shape[1]) if counts is None else counts
    answers = values[probabilities.argmax(axis=1)]
    error = probabilities @ values - targets
    return CountScores(
        accuracy=float((answers == targets).mean()),
        within_one=float((np.abs(answers - targets) <= 1).mean()),
        rmse=float(np.sqrt((error**2).mean())),
        mean_error=float(error.mean()),
        ranked_probability_score=ranked_probability_score(probabilities, targets, values),
    )


def ranked_probability_score(probabilities: Floats, targets: Ints, values: Ints) -> float:
    """Mean squared distance between the cumulated distributions, summed over the counts."""
    reached = targets[:, None] <= values[None, :]
    return float(((np.cumsum(probabilities, axis=1) - reached) ** 2).sum(axis=1).mean())


def shortest_intervals(probabilities: Floats, share: float) -> Ints:
    """(n, 2): first and last column of the shortest range with at least `share`; of equals the likeliest, then lowest.

    The same rule as the runtime's, which answers with it.
    """
    rows, columns = probabilities.shape
    cumulated = np.concatenate([np.zeros((rows, 1)), np.cumsum(probabilities, axis=1)], axis=1)
    intervals = np.tile(np.array([0, columns - 1]), (rows, 1))
    open_rows = np.ones(rows, dtype=bool)
    for length in range(1, columns + 1):
        held = cumulated[:, length:] - cumulated[:, :-length]
        start = held.argmax(axis=1)
        found = open_rows & (held.max(axis=1) >= share - 1e-9)
        intervals[found] = np.stack([start, start + length - 1], axis=1)[found]
        open_rows &= ~found
    return intervals


def interval_coverage(probabilities: Floats, targets: Ints, share: float) -> float:
    """Share of targets (columns) inside their shortest interval."""
    intervals = shortest_intervals(probabilities, share)
    return float(((intervals[:, 0] <= targets) & (targets <= intervals[:, 1])).mean())


def expected_coverage(probabilities: Floats, share: float) -> float:
    """What the probabilities themselves say of how many shortest intervals hold the truth."""
    intervals = shortest_intervals(probabilities, share)
    columns = np.arange(probabilities.shape[1])
    inside = (intervals[:, :1] <= columns) & (columns <= intervals[:, 1:])
    return float((probabilities * inside).sum(axis=1).mean())
