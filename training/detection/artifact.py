"""A packaged detector on photos with boxes: its answers, and the thresholds chosen on validation photos.

Everything goes through the runtime that serves, so the boxes are those that the API and the camera would answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from device.runtime.predictor import Answer, Predictor
from training.calibrate import Calibration, scene_quantiles
from training.detection.augmentation import compose_frames
from training.detection.channel import BoxedPhoto, load_frames
from training.detection.evaluation import (
    Detections,
    choose_thresholds,
    class_counts,
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


def composed_of(frames: Sequence[Frame]) -> list[Frame]:
    if not frames or np.mean([frame.count for frame in frames]) > FEW_OBJECTS:
        return []
    return compose_frames(frames, COMPOSED_PER_FRAME * len(frames), MOST_ADDED, COMPOSING_SEED)
