"""What a packaged counter gets right: counts, intervals, and whether it notices more objects than it was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from device.runtime.decision import CountDecision
from training.bootstrap import bootstrap_intervals
from training.counting.metrics import Floats, Ints, count_scores
from training.predictions import Prediction, Predictions


def count_figures(predictions: Predictions) -> dict[str, Any]:
    """`rmse` is that of the expected value; `interval_80_coverage` that of the interval as the API answers it."""
    probabilities, truth, counts = _columns(predictions)
    scores = count_scores(probabilities, truth, counts)
    lengths = [1 + _decision(each).interval[1] - _decision(each).interval[0] for each in predictions.answered]
    return {
        "within_one": round(scores.within_one, 4),
        "rmse": round(scores.rmse, 4),
        "mean_error": round(scores.mean_error, 4),
        "interval_80_coverage": round(float(_held(predictions).mean()), 4),
        "interval_length": round(float(np.mean(lengths)), 3),
        "by_count": by_count(probabilities, truth, counts),
    }


def by_count(probabilities: Floats, truth: Ints, counts: Ints) -> list[dict[str, Any]]:
    """Per true count how many photos there are, what is expected of them on average, and how much that scatters."""
    expected = probabilities @ counts
    return [
        {
            "count": int(count),
            "photos": int((truth == count).sum()),
            "mean_expected": round(float(expected[truth == count].mean()), 4),
            "deviation": round(float(expected[truth == count].std()), 4),
        }
        for count in np.unique(truth)
    ]


def count_intervals(predictions: Predictions) -> dict[str, list[float]]:
    """95% intervals over resampled photos."""
    probabilities, truth, counts = _columns(predictions)
    errors, held = probabilities @ counts - truth, _held(predictions)
    near = np.abs(counts[probabilities.argmax(axis=1)] - truth) <= 1
    figures = {
        "within_one": lambda rows: float(near[rows].mean()),
        "rmse": lambda rows: float(np.sqrt((errors[rows] ** 2).mean())),
        "mean_error": lambda rows: float(errors[rows].mean()),
        "interval_80_coverage": lambda rows: float(held[rows].mean()),
    }
    return bootstrap_intervals(figures, truth)


def _columns(predictions: Predictions) -> tuple[Floats, Ints, Ints]:
    """Probabilities, true counts, and the count that each column stands for."""
    counts = np.array([int(label) for label in predictions.labels])
    return predictions.calibrated, counts[predictions.targets], counts


def _held(predictions: Predictions) -> npt.NDArray[np.bool_]:
    return np.array([_holds(each) for each in predictions.answered])


def beyond_range_figures(strangers: Sequence[Prediction]) -> dict[str, int]:
    """Photos of more objects than the model was trained on, and how many of them it says so of."""
    return {"photos": len(strangers), "flagged": sum(_decision(each).beyond_trained_range for each in strangers)}


def _holds(prediction: Prediction) -> bool:
    low, high = _decision(prediction).interval
    return low <= int(prediction.photo.label) <= high


def _decision(prediction: Prediction) -> CountDecision:
    assert isinstance(prediction.answer.result, CountDecision)
    return prediction.answer.result
