"""How good a detector is: average precision per class, right counts and sums per frame, and the thresholds for them.

Detections are float32 rows of class, score, left, top, right, bottom in 0-1, as suppression leaves them, before any
threshold. No MXNet here: the same figures come from training and from the finished artifact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training.detection.boxes import overlap
from training.detection.frames import Frame

Detections = npt.NDArray[np.float32]
CLASS, SCORE, BOX = 0, 1, slice(2, 6)
LOWEST_THRESHOLD, HIGHEST_THRESHOLD = 0.1, 0.95


@dataclass(frozen=True)
class DetectionMetrics:
    """map50 and the values of `precision` are None where no frame holds the class."""

    photos: int
    map50: float | None
    precision: dict[int, float | None]
    count_right: float
    sum_right: float | None


def evaluate_detections(
    detections: Sequence[Detections],
    frames: Sequence[Frame],
    thresholds: Sequence[float],
    values: Sequence[float | None],
) -> DetectionMetrics:
    """`thresholds` and `values` are by class; precision takes every detection, counts and sums those over them."""
    precision = {index: average_precision(detections, frames, index) for index in range(len(thresholds))}
    known = [value for value in precision.values() if value is not None]
    kept = [over_threshold(rows, thresholds) for rows in detections]
    return DetectionMetrics(
        photos=len(frames),
        map50=float(np.mean(known)) if known else None,
        precision=precision,
        count_right=_share(
            [
                class_counts(rows[:, CLASS], len(thresholds)) == _truth(frame, len(thresholds))
                for rows, frame in zip(kept, frames, strict=True)
            ]
        ),
        sum_right=_sum_right(kept, frames, values),
    )


def average_precision(
    detections: Sequence[Detections], frames: Sequence[Frame], class_index: int, least_overlap: float = 0.5
) -> float | None:
    """Area under the precision-recall curve, every point of it; a second hit of one object is a miss."""
    objects = sum(int((frame.classes == class_index).sum()) for frame in frames)
    if objects == 0:
        return None
    hits = [
        _hits(rows[rows[:, CLASS] == class_index], frame.boxes[frame.classes == class_index], least_overlap)
        for rows, frame in zip(detections, frames, strict=True)
    ]
    scored = np.concatenate([np.empty((0, 2), dtype=np.float32), *hits])
    right = scored[np.argsort(-scored[:, 0], kind="stable"), 1]
    found = np.cumsum(right)
    precision = found / np.arange(1, len(right) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float((envelope * right).sum() / objects)


def _hits(rows: Detections, truth: npt.NDArray[np.float32], least_overlap: float) -> npt.NDArray[np.float32]:
    """(n, 2): score and whether the detection is the first to find its object, best score first."""
    ordered = rows[np.argsort(-rows[:, SCORE], kind="stable")]
    result = np.zeros((len(ordered), 2), dtype=np.float32)
    result[:, 0] = ordered[:, SCORE]
    free = np.ones(len(truth), dtype=bool)
    shared = overlap(ordered[:, BOX], truth)
    for row in range(len(ordered)):
        best = int(shared[row].argmax()) if len(truth) else -1
        if best >= 0 and shared[row, best] >= least_overlap and free[best]:
            free[best] = False
            result[row, 1] = 1.0
    return result


def over_threshold(rows: Detections, thresholds: Sequence[float]) -> Detections:
    return rows[rows[:, SCORE] >= np.asarray(thresholds, dtype=np.float32)[rows[:, CLASS].astype(np.int64)]]


def class_counts(classes: npt.NDArray[np.generic], class_count: int) -> tuple[int, ...]:
    counts = np.bincount(classes.astype(np.int64), minlength=class_count)
    return tuple(int(count) for count in counts)


def choose_thresholds(detections: Sequence[Detections], frames: Sequence[Frame], class_count: int) -> list[float]:
    """Per class the score at which most frames have the right count of it; the middle of the widest best range."""
    return [_best_threshold(detections, frames, index) for index in range(class_count)]


def _best_threshold(detections: Sequence[Detections], frames: Sequence[Frame], class_index: int) -> float:
    candidates = np.linspace(LOWEST_THRESHOLD, HIGHEST_THRESHOLD, 86)
    right = np.zeros(len(candidates))
    for rows, frame in zip(detections, frames, strict=True):
        scores = rows[rows[:, CLASS] == class_index, SCORE]
        counts = (scores[None, :] >= candidates[:, None]).sum(axis=1)
        right += counts == int((frame.classes == class_index).sum())
    start, stop = _widest_run(right >= right.max() - 1e-9)
    return float(round((candidates[start] + candidates[stop]) / 2, 3))


def _widest_run(flags: npt.NDArray[np.bool_]) -> tuple[int, int]:
    """First and last index of the longest run of true flags."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    starts, ends = edges[::2], edges[1::2]
    longest = int((ends - starts).argmax())
    return int(starts[longest]), int(ends[longest]) - 1


def _truth(frame: Frame, class_count: int) -> tuple[int, ...]:
    return class_counts(frame.classes, class_count)


def _sum_right(kept: Sequence[Detections], frames: Sequence[Frame], values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    if len(known) != len(values):
        return None
    worth = np.array(known)
    return _share(
        [
            bool(abs(worth[rows[:, CLASS].astype(np.int64)].sum() - worth[frame.classes].sum()) < 1e-6)
            for rows, frame in zip(kept, frames, strict=True)
        ]
    )


def _share(right: Sequence[bool]) -> float:
    return float(np.mean(right)) if right else 0.0
