"""What a packaged counter gets right: counts, intervals, and whether it notices more objects than it was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from device.runtime.decision import CountDecision
from training.counting.metrics import count_scores
from training.predictions import Prediction, Predictions

BOOTSTRAP_ROUNDS = 300


def count_figures(predictions: Predictions) -> dict[str, Any]:
    """`rmse` is that of the expected value; `interval_80_coverage` that of the interval as the API answers it."""
    probabilities, targets = predictions.calibrated, predictions.targets
    counts = np.array([int(label) for label in predictions.labels])
    scores = count_scores(probabilities, counts[targets], counts)
    held = np.array([_holds(each) for each in predictions.answered])
    lengths = [1 + _decision(each).interval[1] - _decision(each).interval[0] for each in predictions.answered]
    return {
        "within_one": round(scores.within_one, 4),
        "rmse": round(scores.rmse, 4),
        "mean_error": round(scores.mean_error, 4),
        "interval_80_coverage": round(float(held.mean()), 4),
        "interval_length": round(float(np.mean(lengths)), 3),
        "count_intervals_95": _bootstrapped(probabilities @ counts - counts[targets], held),
    }


def beyond_range_figures(strangers: Sequence[Prediction]) -> dict[str, int]:
    """Photos of more objects than the model was trained on, and how many of them it says so of."""
    return {"photos": len(strangers), "flagged": sum(_decision(each).beyond_trained_range for each in strangers)}


def _holds(prediction: Prediction) -> bool:
    low, high = _decision(prediction).interval
    return low <= int(prediction.photo.label) <= high


def _decision(prediction: Prediction) -> CountDecision:
    assert isinstance(prediction.answer.result, CountDecision)
    return prediction.answer.result


def _bootstrapped(errors: np.ndarray[Any, Any], held: np.ndarray[Any, Any], seed: int = 0) -> dict[str, list[float]]:
    """95% intervals over resampled photos."""
    random = np.random.default_rng(seed)
    drawn = [random.integers(len(errors), size=len(errors)) for _ in range(BOOTSTRAP_ROUNDS)]
    figures = {
        "rmse": [float(np.sqrt((errors[rows] ** 2).mean())) for rows in drawn],
        "interval_80_coverage": [float(held[rows].mean()) for rows in drawn],
    }
    return {
        name: [round(float(edge), 4) for edge in np.percentile(values, [2.5, 97.5])] for name, values in figures.items()
    }
