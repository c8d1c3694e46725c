"""Figures of a packaged classifier or counter on labelled photos, through the runtime that serves it."""

from collections.abc import Sequence
from dataclasses import astuple
from typing import Any

import numpy as np
from PIL import Image

from device.runtime.image import open_image
from device.runtime.predictor import Predictor
from training.bootstrap import bootstrap_intervals, wilson_interval
from training.counting.evaluation import beyond_range_figures, count_figures, count_intervals
from training.datasets.channel import ChannelPhoto
from training.evaluation import WORST_MISTAKES, Evaluation, Mistake, thumbnail
from training.metrics import (
    ClassificationScores,
    Floats,
    Ints,
    accuracy_at_coverage,
    classification_scores,
    expected_calibration_error,
    log_loss,
    log_losses,
    reliability,
)
from training.predictions import Prediction, Predictions, of_known_labels, predict_photos

COVERAGES = (1.0, 0.95, 0.9, 0.8, 0.7)
CURVE_COVERAGES = tuple(round(1 - step * 0.05, 2) for step in range(20))


def evaluate(predictor: Predictor, photos: Sequence[ChannelPhoto]) -> Evaluation:
    """The figures of one set of photos; those of labels that the model does not have are counted apart."""
    answered = predict_photos(predictor, photos, "evaluating")
    if predictor.manifest.task == "count" and answered and not _in_range(predictor, answered):
        return beyond_alone(predictor, answered)
    predictions = of_known_labels(predictor, answered)
    strangers = [each for each in answered if each.photo.label not in predictions.labels]
    mistakes = worst_mistakes(predictor, predictions)
    figures = {
        **_task_figures(predictor.manifest.task, predictions, strangers),
        "decisions": decision_figures(predictions.answered),
        "worst": [mistake.to_json() for mistake in mistakes],
    }
    return Evaluation(figures, mistakes)


def _in_range(predictor: Predictor, answered: Sequence[Prediction]) -> bool:
    return any(each.photo.label in predictor.manifest.label_names for each in answered)


def beyond_alone(predictor: Predictor, answered: Sequence[Prediction]) -> Evaluation:
    """Photos of more objects than were trained on, and no others: whether it notices is all that can be said."""
    figures = {
        "task": "count",
        "photos": 0,
        "labels": list(predictor.manifest.label_names),
        "beyond_range": beyond_range_figures(answered),
        "decisions": decision_figures(answered),
    }
    return Evaluation(figures)


def _task_figures(task: str, predictions: Predictions, strangers: Sequence[Prediction]) -> dict[str, Any]:
    figures = {"task": task, **classification_figures(predictions)}
    if task != "count":
        return {**figures, **other_labels(strangers)}
    intervals = {**figures["intervals_95"], **count_intervals(predictions)}
    beyond = {"beyond_range": beyond_range_figures(strangers)}
    return {**figures, **count_figures(predictions), **beyond, "intervals_95": intervals}


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
        "per_class": per_class(predictions.labels, scores),
        "confusion": [list(row) for row in scores.confusion],
        "labels": list(predictions.labels),
        "log_loss": round(log_loss(probabilities, targets), 4),
        "ece": round(expected_calibration_error(probabilities, targets), 4),
        "ece_before_temperature": round(expected_calibration_error(predictions.raw, targets), 4),
        "reliability": {"before": _bins(predictions.raw, targets), "after": _bins(probabilities, targets)},
        "accuracy_at_90_coverage": round(accuracy_at_coverage(probabilities, targets, 0.9), 4),
        "accuracy_at_coverage": {str(c): round(accuracy_at_coverage(probabilities, targets, c), 4) for c in COVERAGES},
        "coverage_curve": [[c, round(accuracy_at_coverage(probabilities, targets, c), 4)] for c in CURVE_COVERAGES],
        "intervals_95": _intervals(probabilities, targets),
    }


def per_class(labels: Sequence[str], scores: ClassificationScores) -> list[dict[str, Any]]:
    """A row a label that has photos."""
    rows = zip(labels, scores.confusion, scores.recall, scores.precision, scores.f1, strict=True)
    return [
        {
            "label": label,
            "photos": sum(confused),
            "recall": round(recall, 4),
            "recall_95": wilson_interval(confused[index], sum(confused)),
            "precision": round(precision, 4),
            "f1": round(f1, 4),
        }
        for index, (label, confused, recall, precision, f1) in enumerate(rows)
        if sum(confused)
    ]


def _by_label(labels: Sequence[str], values: Sequence[float]) -> dict[str, float]:
    return {label: round(value, 4) for label, value in zip(labels, values, strict=True) if not np.isnan(value)}


def _bins(probabilities: Floats, targets: Ints) -> list[list[float]]:
    """Rows of photos, mean confidence, accuracy."""
    return [[round(value, 4) for value in astuple(each)] for each in reliability(probabilities, targets)]


def _intervals(probabilities: Floats, targets: Ints) -> dict[str, list[float]]:
    losses = log_losses(probabilities, targets)
    figures = {
        "log_loss": lambda rows: float(losses[rows].mean()),
        "accuracy": lambda rows: classification_scores(probabilities[rows], targets[rows]).accuracy,
        "macro_recall": lambda rows: classification_scores(probabilities[rows], targets[rows]).macro_recall,
        "macro_f1": lambda rows: classification_scores(probabilities[rows], targets[rows]).macro_f1,
        "accuracy_at_90_coverage": lambda rows: accuracy_at_coverage(probabilities[rows], targets[rows], 0.9),
        "ece": lambda rows: expected_calibration_error(probabilities[rows], targets[rows]),
    }
    return bootstrap_intervals(figures, targets)


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


def worst_mistakes(predictor: Predictor, predictions: Predictions) -> tuple[Mistake, ...]:
    """The wrong answers that the model was surest of."""
    wrong = [each for each in predictions.answered if each.decision.label != each.photo.label]
    wrong.sort(key=lambda each: -each.decision.confidence)
    return tuple(
        Mistake(
            picture=_picture(predictor, each.photo),
            name=each.photo.path.name,
            truth=each.photo.label,
            answer=each.decision.label,
            confidence=each.decision.confidence,
        )
        for each in wrong[:WORST_MISTAKES]
    )


def _picture(predictor: Predictor, photo: ChannelPhoto) -> Image.Image:
    """Upright, as the model saw it."""
    return thumbnail(open_image(photo.path.read_bytes(), predictor.manifest.input))
