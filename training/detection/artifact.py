"""A packaged detector on photos with boxes: thresholds chosen on validation photos, figures on any.

Everything goes through the runtime that serves, so the boxes are those that the API and the camera would answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from device.runtime.predictor import Answer, Predictor
from training.calibrate import Calibration, scene_quantiles
from training.detection.augmentation import compose_frames
from training.detection.channel import BoxedPhoto, load_frames
from training.detection.evaluation import (
    DetectionMetrics,
    Detections,
    choose_thresholds,
    class_counts,
    evaluate_detections,
    over_threshold,
)
from training.detection.frames import Frame
from training.progress import Progress

COMPOSED_PER_FRAME = 2
FEW_OBJECTS = 1.5  # a frame, on average: more than that need no composing to be several
MAX_SCENE_FRAMES = 600
MOST_ADDED = 4  # composed frames hold two to five objects where frames hold one
COMPOSING_SEED = 0
MARGINS = (0.1, 0.08, 0.06, 0.04, 0.02, 0.0)
DOUBTED_SHARE = 0.05  # of right answers that the margin may call ambiguous
BOOTSTRAP_ROUNDS = 300


@dataclass(frozen=True)
class DetectedFrames:
    frames: tuple[Frame, ...]
    detections: tuple[Detections, ...]
    answers: tuple[Answer, ...]


def detect_frames(predictor: Predictor, frames: Sequence[Frame], title: str) -> DetectedFrames:
    """The frames are fitted to the model's input already: shares of the frame are shares of the input."""
    progress = Progress(title, len(frames), "frames")
    answers = []
    for frame in frames:
        answers.append(predictor.predict_image(Image.fromarray(frame.pixels)))
        progress.advance(1)
    return DetectedFrames(tuple(frames), tuple(_rows(answer) for answer in answers), tuple(answers))


def _rows(answer: Answer) -> Detections:
    rows = [
        [raw.label_index, raw.score, raw.box.xmin, raw.box.ymin, raw.box.xmax, raw.box.ymax] for raw in answer.boxes
    ]
    return np.array(rows, dtype=np.float32).reshape(-1, 6)


def calibrate_detector(
    predictor: Predictor, train: Sequence[BoxedPhoto], validation: Sequence[BoxedPhoto]
) -> Calibration:
    """Thresholds at which most validation frames, as they are and composed, have the right count."""
    spec, labels = predictor.manifest.input, predictor.manifest.label_names
    frames = load_frames(validation, spec)
    detected = detect_frames(predictor, [*frames, *composed_of(frames)], "calibrating")
    thresholds = choose_thresholds(detected.detections, detected.frames, len(labels))
    some = train[:: -(-len(train) // MAX_SCENE_FRAMES)]
    seen = detect_frames(predictor, load_frames(some, spec), "measuring scenes")
    decision = {
        "temperature": 1.0,
        "thresholds": dict(zip(labels, thresholds, strict=True)),
        "ambiguous_margin": choose_margin(detected, thresholds),
    }
    scene = {**scene_quantiles([answer.scene for answer in seen.answers]), "references": None}
    return Calibration(decision, scene, None)


def choose_margin(detected: DetectedFrames, thresholds: Sequence[float]) -> float:
    """The widest margin below the thresholds in which few frames of a right count have a box."""
    limits = np.asarray(thresholds)
    below = [limits[rows[:, 0].astype(int)] - rows[:, 1] for rows in _right(detected, thresholds)]
    for margin in MARGINS:
        doubted = [bool(((gaps > 0) & (gaps <= margin)).any()) for gaps in below]
        if not doubted or np.mean(doubted) <= DOUBTED_SHARE:
            return margin
    return 0.0


def _right(detected: DetectedFrames, thresholds: Sequence[float]) -> list[Detections]:
    classes = len(thresholds)
    return [
        rows
        for rows, frame in zip(detected.detections, detected.frames, strict=True)
        if class_counts(over_threshold(rows, thresholds)[:, 0], classes) == class_counts(frame.classes, classes)
    ]


def evaluate_detector(predictor: Predictor, photos: Sequence[BoxedPhoto]) -> dict[str, Any]:
    """Figures of the frames as they are; where they hold one object each, also of frames composed of two to five."""
    frames = load_frames(photos, predictor.manifest.input)
    plain = detect_frames(predictor, frames, "evaluating")
    known = [answer for answer in plain.answers if not answer.result.unknown]
    return {
        "task": "detect",
        "labels": list(predictor.manifest.label_names),
        **_flat(_metrics(predictor, plain), predictor),
        **_composed_figures(predictor, composed_of(frames)),
        "answered_share": round(len(known) / max(1, len(plain.answers)), 4),
        "intervals_95": _intervals(predictor, plain),
    }


def composed_of(frames: Sequence[Frame]) -> list[Frame]:
    if not frames or np.mean([frame.count for frame in frames]) > FEW_OBJECTS:
        return []
    return compose_frames(frames, COMPOSED_PER_FRAME * len(frames), MOST_ADDED, COMPOSING_SEED)


def _composed_figures(predictor: Predictor, composed: Sequence[Frame]) -> dict[str, Any]:
    if not composed:
        return {}
    several = detect_frames(predictor, composed, "evaluating composed frames")
    return {f"composed_{name}": value for name, value in _flat(_metrics(predictor, several), predictor).items()}


def _metrics(predictor: Predictor, detected: DetectedFrames) -> DetectionMetrics:
    manifest = predictor.manifest
    thresholds = [manifest.decision.thresholds[label] for label in manifest.label_names]
    values = [label.value for label in manifest.labels]
    return evaluate_detections(detected.detections, detected.frames, thresholds, values)


def _flat(metrics: DetectionMetrics, predictor: Predictor) -> dict[str, Any]:
    figures: dict[str, Any] = {"photos": metrics.photos}
    optional = {"map50": metrics.map50, "count_right": metrics.count_right, "sum_right": metrics.sum_right}
    figures.update({name: round(value, 4) for name, value in optional.items() if value is not None})
    names = predictor.manifest.label_names
    found = {names[index]: round(value, 4) for index, value in metrics.precision.items() if value is not None}
    return {**figures, "precision50": found}


def _intervals(predictor: Predictor, detected: DetectedFrames, seed: int = 0) -> dict[str, list[float]]:
    """95% intervals over resampled frames."""
    random = np.random.default_rng(seed)
    drawn = [_resampled(detected, random) for _ in range(BOOTSTRAP_ROUNDS)]
    metrics = [_metrics(predictor, each) for each in drawn]
    figures = {name: [getattr(each, name) for each in metrics] for name in ("map50", "count_right", "sum_right")}
    return {
        name: [round(float(edge), 4) for edge in np.percentile(values, [2.5, 97.5])]
        for name, values in figures.items()
        if None not in values
    }


def _resampled(detected: DetectedFrames, random: np.random.Generator) -> DetectedFrames:
    rows: NDArray[np.int64] = random.integers(len(detected.frames), size=len(detected.frames))
    frames = tuple(detected.frames[row] for row in rows)
    return DetectedFrames(frames, tuple(detected.detections[row] for row in rows), ())
