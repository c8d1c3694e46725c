"""Prior boxes that fit the objects at hand: no sizes to guess."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from training.detection.frames import Frame
from training.layout import TrainingError
from training.networks.ssd import AnchorLayer

SMALLEST_QUANTILE, LARGEST_QUANTILE = 0.05, 0.95
LEAST_STEP = 1.15  # between one size and the next, so that equal objects do not give equal priors


def fit_anchors(frames: Sequence[Frame], maps: int, ratios: Sequence[float]) -> tuple[AnchorLayer, ...]:
    """Two sizes a feature map, small ones on fine maps, spread over the quantiles of the boxes' sides.

    Raises: TrainingError, where no frame has a box.
    """
    boxes = np.concatenate([frame.boxes for frame in frames]) if frames else np.empty((0, 4), dtype=np.float32)
    if not len(boxes):
        raise TrainingError("no training frame has a box")
    sides = np.sqrt(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1))
    sizes = np.quantile(sides, np.linspace(SMALLEST_QUANTILE, LARGEST_QUANTILE, 2 * maps)).tolist()
    for index in range(1, len(sizes)):
        sizes[index] = max(sizes[index], sizes[index - 1] * LEAST_STEP)
    rounded = [round(min(size, 1.0), 4) for size in sizes]
    return tuple(AnchorLayer(tuple(rounded[2 * index : 2 * index + 2]), tuple(ratios)) for index in range(maps))
