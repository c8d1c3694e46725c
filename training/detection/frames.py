"""Pictures with the boxes on them, as the detector's training and evaluation see them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training.detection.boxes import Boxes


@dataclass(frozen=True)
class Frame:
    """pixels: uint8 (height, width, 3) RGB; classes: int (n,); boxes: float32 (n, 4) in 0-1."""

    pixels: npt.NDArray[np.uint8]
    classes: npt.NDArray[np.int64]
    boxes: Boxes

    @property
    def count(self) -> int:
        return len(self.classes)


def make_frame(pixels: npt.NDArray[np.uint8], rows: Sequence[Sequence[float]]) -> Frame:
    """`rows` hold class, left, top, right, bottom in 0-1."""
    table = np.asarray(rows, dtype=np.float32).reshape(-1, 5)
    return Frame(pixels, table[:, 0].astype(np.int64), np.ascontiguousarray(table[:, 1:]))


def batch_pixels(frames: Sequence[Frame]) -> npt.NDArray[np.float32]:
    """(N, 3, height, width) raw 0-255."""
    stacked = np.stack([frame.pixels for frame in frames])
    return np.ascontiguousarray(stacked.transpose(0, 3, 1, 2), dtype=np.float32)


def batch_labels(frames: Sequence[Frame], capacity: int) -> npt.NDArray[np.float32]:
    """(N, capacity, 5): class, left, top, right, bottom; -1 where there is no box."""
    labels = np.full((len(frames), capacity, 5), -1.0, dtype=np.float32)
    for row, frame in enumerate(frames):
        if frame.count > capacity:
            raise ValueError(f"a frame has {frame.count} boxes, the label holds {capacity}")
        labels[row, : frame.count, 0] = frame.classes
        labels[row, : frame.count, 1:] = frame.boxes
    return labels
