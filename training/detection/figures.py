"""Figures of a packaged detector on photos with boxes, through the runtime that serves it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from device.runtime.predictor import Predictor
from training.bootstrap import bootstrap_intervals
from training.detection.artifact import DetectedFrames, composed_of, detect_frames
from training.detection.channel import BoxedPhoto, load_frames
from training.detection.evaluation import MeasuredFrames, measure_frames
from training.detection.frames import Frame
from training.detection.mistakes import worst_frames
from training.evaluation import Evaluation

HEADLINES = ("map50", "count_right", "sum_right")
CURVE_POINTS = 60


def evaluate_detector(predictor: Predictor, photos: Sequence[BoxedPhoto]) -> Evaluation:
    """Figures of the frames as they are; where they hold one object each, also of frames composed of two to five."""
    frames = load_frames(photos, predictor.manifest.input)
    plain = detect_frames(predictor, frames, "evaluating")
    measured = _measured(predictor, plain)
    mistakes = worst_frames(predictor.manifest, plain, [photo.path.name for photo in photos])
    composed, composed_intervals = _composed_figures(predictor, composed_of(frames))
    figures = {
        "task": "detect",
        "labels": list(predictor.manifest.label_names),
        **_flat(measured, predictor),
        **composed,
        "recall": recall(measured, predictor),
        "per_class": per_class(measured, predictor),
        "precision_recall": precision_recall(measured, predictor),
        "decisions": decision_figures(plain),
        "answered_share": _answered_share(plain),
        "intervals_95": {**_intervals(measured), **composed_intervals},
        "worst": [mistake.to_json() for mistake in mistakes],
    }
    return Evaluation(figures, mistakes)


def _composed_figures(predictor: Predictor, composed: Sequence[Frame]) -> tuple[dict[str, Any], dict[str, list[float]]]:
    """Figures and their intervals, each named as of composed frames."""
    if not composed:
        return {}, {}
    measured = _measured(predictor, detect_frames(predictor, composed, "evaluating composed frames"))
    flat, intervals = _flat(measured, predictor), _intervals(measured)
    return {f"composed_{name}": value for name, value in flat.items()}, {
        f"composed_{name}": interval for name, interval in intervals.items()
    }


def _measured(predictor: Predictor, detected: DetectedFrames) -> MeasuredFrames:
    manifest = predictor.manifest
    thresholds = [manifest.decision.thresholds[label] for label in manifest.label_names]
    return measure_frames(detected.detections, detected.frames, thresholds, [label.value for label in manifest.labels])


def _flat(measured: MeasuredFrames, predictor: Predictor) -> dict[str, Any]:
    metrics = measured.metrics()
    optional = {name: getattr(metrics, name) for name in HEADLINES}
    names = predictor.manifest.label_names
    return {
        "photos": metrics.photos,
        **{name: round(value, 4) for name, value in optional.items() if value is not None},
        "precision50": {names[i]: round(value, 4) for i, value in metrics.precision.items() if value is not None},
    }


def per_class(measured: MeasuredFrames, predictor: Predictor) -> list[dict[str, Any]]:
    """A row a label that some frame holds."""
    names, precision = predictor.manifest.label_names, measured.metrics().precision
    objects = measured.objects.sum(axis=0)
    return [
        {"label": names[index], "objects": int(objects[index]), "average_precision": round(value, 4)}
        for index, value in precision.items()
        if value is not None
    ]


def recall(measured: MeasuredFrames, predictor: Predictor) -> dict[str, float]:
    """Of each label's objects, the share that an answer holds: found by a box over the label's threshold."""
    thresholds = predictor.manifest.decision.thresholds
    found = measured.found([thresholds[label] for label in predictor.manifest.label_names])
    objects = zip(predictor.manifest.label_names, found, measured.objects.sum(axis=0), strict=True)
    return {label: round(hits / int(number), 4) for label, hits, number in objects if number}


def precision_recall(measured: MeasuredFrames, predictor: Predictor) -> dict[str, list[list[float]]]:
    """Per label rows of recall and precision, a few dozen of them, down to the last object found."""
    every = np.arange(len(measured.objects))
    curves = {name: measured.curve(index, every) for index, name in enumerate(predictor.manifest.label_names)}
    return {name: _thinned(curve) for name, curve in curves.items() if curve is not None}


def _thinned(curve: np.ndarray[Any, np.dtype[np.float64]]) -> list[list[float]]:
    last = int(curve[:, 0].argmax()) if len(curve) else -1
    places = np.unique(np.linspace(0, last, min(CURVE_POINTS, last + 1)).astype(int))
    return [[round(float(value), 4) for value in curve[place]] for place in places]


def decision_figures(detected: DetectedFrames) -> dict[str, Any]:
    reasons = [reason for answer in detected.answers for reason in answer.result.reasons]
    return {
        "answered_share": _answered_share(detected),
        "reasons": {reason: reasons.count(reason) for reason in sorted(set(reasons))},
    }


def _answered_share(detected: DetectedFrames) -> float:
    known = [answer for answer in detected.answers if not answer.result.unknown]
    return round(len(known) / max(1, len(detected.answers)), 4)


def _intervals(measured: MeasuredFrames) -> dict[str, list[float]]:
    """95% intervals over resampled frames."""
    figures = {
        "map50": lambda rows: measured.metrics(rows).map50,
        "count_right": lambda rows: measured.metrics(rows).count_right,
        "sum_right": lambda rows: measured.metrics(rows).sum_right,
    }
    return bootstrap_intervals(figures, np.zeros(len(measured.objects), dtype=np.int64))
