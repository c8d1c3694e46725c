"""Figures of a packaged classifier or counter on labelled photos, through the runtime that serves it."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from device.runtime.predictor import Predictor
from training.counting.evaluation import beyond_range_figures, count_figures
from training.datasets.channel import ChannelPhoto
from training.metrics import (
    Floats,
    Ints,
    accuracy_at_coverage,
    bootstrap_interval,
    classification_scores,
    expected_calibration_error,
)
from training.predictions import Prediction, Predictions, of_known_labels, predict_photos

WORST_MISTAKES = 24
COVERAGES = (1.0, 0.95, 0.9, 0.8, 0.7)


def evaluate(predictor: Predictor, photos: Sequence[ChannelPhoto]) -> dict[str, Any]:
    """The figures of one set of photos; those of labels that the model does not have are counted apart."""
    answered = predict_photos(predictor, photos, "evaluating")
    predictions = of_known_labels(predictor, answered)
    strangers = [each for each in answered if each.photo.label not in predictions.labels]
    task = predictor.manifest.task
    return {
        "task": task,
        **classification_figures(predictions),
        **(count_figures(predictions) if task == "count" else {}),
        "decisions": decision_figures(predictions.answered),
        **({"beyond_range": beyond_range_figures(strangers)} if task == "count" else other_labels(strangers)),
        "worst": worst_mistakes(predictions),
    }


def other_labels(strangers: Sequence[Prediction]) -> dict[str, Any]:
    return {"other_labels": {"photos": len(strangers), "unknown": sum(each.decision.unknown for each in strangers)}}


def classification_figures(predictions: Predictions) -> dict[str, Any]:
    probabilities, targets = predictions.calibrated, predictions.targets
    scores = classification_scores(probabilities, targets)
    return {
        "photos": len(targets),
        "accuracy": round(scores.accuracy, 4),
        "macro_recall": round(scores.macro_recall, 4),
        "macro_f1": round(scores.macro_f1, 4),
        "recall": _by_label(predictions.labels, scores.recall),
        "precision": _by_label(predictions.labels, scores.precision),
        "confusion": [list(row) for row in scores.confusion],
        "labels": list(predictions.labels),
        "ece": round(expected_calibration_error(probabilities, targets), 4),
        "ece_before_temperature": round(expected_calibration_error(predictions.raw, targets), 4),
        "accuracy_at_90_coverage": round(accuracy_at_coverage(probabilities, targets, 0.9), 4),
        "accuracy_at_coverage": {str(c): round(accuracy_at_coverage(probabilities, targets, c), 4) for c in COVERAGES},
        "intervals_95": _intervals(probabilities, targets),
    }


def _by_label(labels: Sequence[str], values: Sequence[float]) -> dict[str, float]:
    return {label: round(value, 4) for label, value in zip(labels, values, strict=True) if not np.isnan(value)}


def _intervals(probabilities: Floats, targets: Ints) -> dict[str, list[float]]:
    figures = {
        "accuracy": lambda p, t: classification_scores(p, t).accuracy,
        "macro_recall": lambda p, t: classification_scores(p, t).macro_recall,
        "accuracy_at_90_coverage": lambda p, t: accuracy_at_coverage(p, t, 0.9),
        "ece": expected_calibration_error,
    }
    intervals = {name: bootstrap_interval(figure, probabilities, targets) for name, figure in figures.items()}
    return {name: [round(low, 4), round(high, 4)] for name, (low, high) in intervals.items()}


def decision_figures(answered: Sequence[Prediction]) -> dict[str, Any]:
    """What the API would say: how often it answers, how often it is right when it does, why it does not."""
    known = [each for each in answered if not each.decision.unknown]
    right = [each for each in known if each.decision.label == each.photo.label]
    reasons = [reason for each in answered for reason in each.decision.reasons]
    return {
        "answered_share": round(len(known) / len(answered), 4),
        "accuracy_when_answered": round(len(right) / len(known), 4) if known else None,
        "reasons": {reason: reasons.count(reason) for reason in sorted(set(reasons))},
    }


def worst_mistakes(predictions: Predictions) -> list[dict[str, Any]]:
    """The wrong answers that the model was surest of."""
    wrong = [each for each in predictions.answered if each.decision.label != each.photo.label]
    wrong.sort(key=lambda each: -each.decision.confidence)
    return [
        {
            "photo": each.photo.path.name,
            "label": each.photo.label,
            "answered": each.decision.label,
            "confidence": round(each.decision.confidence, 4),
        }
        for each in wrong[:WORST_MISTAKES]
    ]
