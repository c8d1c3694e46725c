"""The frames that a detector gets most wrong, with what is there and what was found drawn on them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from device.runtime.manifest import Manifest
from training.detection.artifact import DetectedFrames
from training.detection.evaluation import BOX, CLASS, SCORE, Detections, class_counts, over_threshold
from training.detection.frames import Frame
from training.evaluation import THUMBNAIL_PX, WORST_MISTAKES, Mistake

TRUTH_COLOR, FOUND_COLOR = (40, 200, 90), (235, 60, 90)
LINE_PX = 2


def worst_frames(manifest: Manifest, detected: DetectedFrames, names: Sequence[str]) -> tuple[Mistake, ...]:
    """Those with the most objects too many or too few; of equals the one with the surest box."""
    labels = manifest.label_names
    thresholds = [manifest.decision.thresholds[label] for label in labels]
    kept = [over_threshold(rows, thresholds) for rows in detected.detections]
    errors = [_objects_off(rows, frame, len(labels)) for rows, frame in zip(kept, detected.frames, strict=True)]
    wrong = [index for index, error in enumerate(errors) if error]
    wrong.sort(key=lambda index: (-errors[index], -_surest(kept[index])))
    return tuple(_mistake(detected.frames[i], kept[i], names[i], labels) for i in wrong[:WORST_MISTAKES])


def _mistake(frame: Frame, rows: Detections, name: str, labels: Sequence[str]) -> Mistake:
    truth, answer = said(frame.classes, labels), said(rows[:, CLASS], labels)
    return Mistake(drawn(frame, rows), name, truth, answer, _surest(rows))


def said(classes: np.ndarray[tuple[int, ...], np.dtype[np.generic]], labels: Sequence[str]) -> str:
    counts = class_counts(classes, len(labels))
    return ", ".join(f"{count} x {label}" for count, label in zip(counts, labels, strict=True) if count) or "nothing"


def drawn(frame: Frame, rows: Detections) -> Image.Image:
    """What is there in green, what was found in red."""
    picture = Image.fromarray(frame.pixels)
    scale = THUMBNAIL_PX / max(picture.size)
    picture = picture.resize((round(picture.width * scale), round(picture.height * scale)))
    draw = ImageDraw.Draw(picture)
    for boxes, color in ((frame.boxes, TRUTH_COLOR), (rows[:, BOX], FOUND_COLOR)):
        for left, top, right, bottom in boxes.clip(0.0, 1.0).tolist():
            place = (left * picture.width, top * picture.height, right * picture.width, bottom * picture.height)
            draw.rectangle((place[0], place[1], max(place[0], place[2]), max(place[1], place[3])), None, color, LINE_PX)
    return picture


def _objects_off(rows: Detections, frame: Frame, classes: int) -> int:
    pairs = zip(class_counts(rows[:, CLASS], classes), class_counts(frame.classes, classes), strict=True)
    return sum(abs(found - there) for found, there in pairs)


def _surest(rows: Detections) -> float:
    return float(rows[:, SCORE].max()) if len(rows) else 0.0
