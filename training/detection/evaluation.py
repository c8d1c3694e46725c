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
Hits = npt.NDArray[np.float32]
CLASS, SCORE, BOX = 0, 1, slice(2, 6)
LEAST_OVERLAP = 0.5
LOWEST_THRESHOLD, HIGHEST_THRESHOLD = 0.1, 0.95


@dataclass(frozen=True)
class DetectionMetrics:
    """map50 and the values of `precision` are None where no frame holds the class."""

    photos: int
    map50: float | None
    precision: dict[int, float | None]
    count_right: float
    sum_right: float | None


@dataclass(frozen=True)
class MeasuredFrames:
    """Each frame judged once, so that figures of any choice of frames are cheap.

    hits: by class and frame, rows of score and whether it found an object. objects: (frames, classes).
    """

    hits: tuple[tuple[Hits, ...], ...]
    objects: npt.NDArray[np.int64]
    count_right: npt.NDArray[np.bool_]
    sum_right: npt.NDArray[np.bool_] | None

    def metrics(self, rows: npt.NDArray[np.int64] | None = None) -> DetectionMetrics:
        """Of the frames `rows`, one as often as it is named; of all of them when not given."""
        chosen = np.arange(len(self.objects)) if rows is None else rows
        precision = {index: self.average_precision(index, chosen) for index in range(len(self.hits))}
        known = [value for value in precision.values() if value is not None]
        return DetectionMetrics(
            photos=len(chosen),
            map50=float(np.mean(known)) if known else None,
            precision=precision,
            count_right=_share(self.count_right[chosen]),
            sum_right=None if self.sum_right is None else _share(self.sum_right[chosen]),
        )

    def found(self, thresholds: Sequence[float]) -> list[int]:
        """By class how many objects the detections over its threshold find."""
        return [
            sum(int((rows[rows[:, 0] >= threshold, 1]).sum()) for rows in frames)
            for frames, threshold in zip(self.hits, thresholds, strict=True)
        ]

    def average_precision(self, class_index: int, rows: npt.NDArray[np.int64]) -> float | None:
        """Area under the precision-recall curve, every point of it; a second hit of one object is a miss."""
        curve = self.curve(class_index, rows)
        if curve is None:
            return None
        envelope = np.maximum.accumulate(curve[::-1, 1])[::-1]
        return float((envelope * np.diff(curve[:, 0], prepend=0.0)).sum())

    def curve(self, class_index: int, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float64] | None:
        """(n, 2): recall and precision down to every detection, surest first; None where no frame holds the class."""
        objects = int(self.objects[rows, class_index].sum())
        if objects == 0:
            return None
        scored = np.concatenate([np.empty((0, 2), dtype=np.float32), *(self.hits[class_index][row] for row in rows)])
        found = np.cumsum(scored[np.argsort(-scored[:, 0], kind="stable"), 1], dtype=np.float64)
        return np.stack([found / objects, found / np.arange(1, len(found) + 1)], axis=1)


def measure_frames(
    detections: Sequence[Detections],
    frames: Sequence[Frame],
    thresholds: Sequence[float],
    values: Sequence[float | None],
) -> MeasuredFrames:
    """`thresholds` and `values` are by class; precision takes every detection, counts and sums those over them."""
    classes = len(thresholds)
    kept = [over_threshold(rows, thresholds) for rows in detections]
    truth = [class_counts(frame.classes, classes) for frame in frames]
    counted = [class_counts(rows[:, CLASS], classes) for rows in kept]
    return MeasuredFrames(
        hits=tuple(_class_hits(detections, frames, index) for index in range(classes)),
        objects=np.array(truth, dtype=np.int64).reshape(len(frames), classes),
        count_right=np.array([one == other for one, other in zip(counted, truth, strict=True)], dtype=bool),
        sum_right=_sum_right(counted, truth, values),
    )


def evaluate_detections(
    detections: Sequence[Detections],
    frames: Sequence[Frame],
    thresholds: Sequence[float],
    values: Sequence[float | None],
) -> DetectionMetrics:
    return measure_frames(detections, frames, thresholds, values).metrics()


def _class_hits(detections: Sequence[Detections], frames: Sequence[Frame], index: int) -> tuple[Hits, ...]:
    return tuple(
        _hits(rows[rows[:, CLASS] == index], frame.boxes[frame.classes == index], LEAST_OVERLAP)
        for rows, frame in zip(detections, frames, strict=True)
    )


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


def _sum_right(
    counted: Sequence[tuple[int, ...]], truth: Sequence[tuple[int, ...]], values: Sequence[float | None]
) -> npt.NDArray[np.bool_] | None:
    known = [value for value in values if value is not None]
    if len(known) != len(values):
        return None
    worth = np.array(known)
    apart = (np.array(counted, dtype=float) - np.array(truth, dtype=float)).reshape(-1, len(worth)) @ worth
    right: npt.NDArray[np.bool_] = np.abs(apart) < 1e-6
    return right


def _share(right: npt.NDArray[np.bool_]) -> float:
    return float(right.mean()) if len(right) else 0.0
