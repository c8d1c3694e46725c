"""Boxes as float32 rows of left, top, right, bottom in 0-1 of the picture."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Boxes = npt.NDArray[np.float32]


def overlap(first: Boxes, second: Boxes) -> npt.NDArray[np.float32]:
    """Intersection over union of every box of (n, 4) with every box of (m, 4): (n, m)."""
    shared = intersection(first, second)
    union = area(first)[:, None] + area(second)[None, :] - shared
    ratio: npt.NDArray[np.float32] = shared / np.maximum(union, 1e-9)
    return ratio


def intersection(first: Boxes, second: Boxes) -> npt.NDArray[np.float32]:
    left_top = np.maximum(first[:, None, :2], second[None, :, :2])
    right_bottom = np.minimum(first[:, None, 2:], second[None, :, 2:])
    sides = np.clip(right_bottom - left_top, 0.0, None)
    shared: npt.NDArray[np.float32] = sides[..., 0] * sides[..., 1]
    return shared


def area(boxes: Boxes) -> npt.NDArray[np.float32]:
    sides = np.clip(boxes[:, 2:] - boxes[:, :2], 0.0, None)
    product: npt.NDArray[np.float32] = sides[:, 0] * sides[:, 1]
    return product
