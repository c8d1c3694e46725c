"""An SSD's outputs to boxes: the priors and the decoding that MXNet's MultiBoxPrior and MultiBoxDetection do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, List, Sequence, Tuple

import numpy as np

from device.runtime.decision import Box, ModelOutputError, RawBox
from device.runtime.manifest_types import Detection

if TYPE_CHECKING:
    from device.runtime.tensor import FloatArray


def priors(detection: Detection) -> FloatArray:
    """float32 (anchors, 4): xmin, ymin, xmax, ymax in shares of the input, not clipped."""
    maps = zip(detection.feature_maps, detection.sizes, detection.ratios)
    return np.concatenate([_map_priors(shape, sizes, ratios) for shape, sizes, ratios in maps]).astype(np.float32)


def decode(
    probabilities: FloatArray, offsets: FloatArray, anchors: FloatArray, detection: Detection, min_score: float
) -> List[RawBox]:
    """probabilities: (1, labels + 1, anchors), the background first; offsets: (1, anchors * 4).

    Boxes of at least min_score, suppressed class by class, the surest first, max_boxes at the most.
    Raises: ModelOutputError.
    """
    scores = _checked(probabilities, offsets, len(anchors))
    labels = scores[1:].argmax(axis=0)
    best = scores[1:].max(axis=0)
    chosen = np.flatnonzero(best >= min_score)
    chosen = chosen[np.argsort(-best[chosen], kind="stable")]
    boxes = _boxes(anchors[chosen], offsets.reshape(-1, 4)[chosen], detection)
    kept = _suppress(boxes, labels[chosen], detection)
    return [_raw(int(labels[chosen[at]]), float(best[chosen[at]]), boxes[at]) for at in kept]


def from_rows(rows: FloatArray, min_score: float) -> List[RawBox]:
    """rows: float32 (N, 6) label index, score, xmin, ymin, xmax, ymax, suppressed already, the surest first or not."""
    return [_raw(int(row[0]), float(row[1]), row[2:]) for row in rows if row[1] >= min_score]


def _map_priors(shape: Tuple[int, int], sizes: Sequence[float], ratios: Sequence[float]) -> FloatArray:
    height, width = shape
    center_y, center_x = np.meshgrid(
        (np.arange(height) + 0.5) / height, (np.arange(width) + 0.5) / width, indexing="ij"
    )
    # Every size with the first ratio, then the first size with every other ratio.
    pairs = [(size, ratios[0]) for size in sizes] + [(sizes[0], ratio) for ratio in ratios[1:]]
    half_w = np.array([size * height / width * np.sqrt(ratio) / 2 for size, ratio in pairs])
    half_h = np.array([size / np.sqrt(ratio) / 2 for size, ratio in pairs])
    x, y = center_x[:, :, np.newaxis], center_y[:, :, np.newaxis]
    corners: FloatArray = np.stack([x - half_w, y - half_h, x + half_w, y + half_h], axis=-1).reshape(-1, 4)
    return corners


def _checked(probabilities: FloatArray, offsets: FloatArray, anchors: int) -> FloatArray:
    if probabilities.ndim != 3 or probabilities.shape[2] != anchors or offsets.size != anchors * 4:
        raise ModelOutputError(
            "wrong-length",
            "the model answered %s and %s; the manifest has %d anchors" % (probabilities.shape, offsets.shape, anchors),
        )
    if not (np.isfinite(probabilities).all() and np.isfinite(offsets).all()):
        raise ModelOutputError("not-finite", "the model answered NaN or infinity")
    scores: FloatArray = probabilities[0]
    return scores


def _boxes(anchors: FloatArray, offsets: FloatArray, detection: Detection) -> FloatArray:
    size = anchors[:, 2:] - anchors[:, :2]
    center = (anchors[:, :2] + anchors[:, 2:]) / 2
    variances = np.array(detection.variances, dtype=np.float32)
    moved = offsets[:, :2] * variances[:2] * size + center
    half = np.exp(np.minimum(offsets[:, 2:] * variances[2:], 20.0)) * size / 2
    boxes: FloatArray = np.clip(np.concatenate([moved - half, moved + half], axis=1), 0.0, 1.0)
    return boxes


def _suppress(boxes: FloatArray, labels: np.ndarray[Any, Any], detection: Detection) -> List[int]:
    """Indices of what stays of boxes sorted by score: none overlaps a surer one of its class too much."""
    left = np.ones(len(boxes), dtype=bool)
    kept: List[int] = []
    for index in range(len(boxes)):
        if not left[index]:
            continue
        kept.append(index)
        if len(kept) == detection.max_boxes:
            break
        same = labels == labels[index]
        left &= ~(same & (_overlap(boxes[index], boxes) > detection.nms_threshold))
    return kept


def _overlap(box: FloatArray, boxes: FloatArray) -> FloatArray:
    """Intersection over union of one box with each of many."""
    low = np.maximum(box[:2], boxes[:, :2])
    high = np.minimum(box[2:], boxes[:, 2:])
    shared = np.prod(np.maximum(high - low, 0.0), axis=1)
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    union = areas + np.prod(box[2:] - box[:2]) - shared
    overlap: FloatArray = np.where(union > 0, shared / np.maximum(union, 1e-12), 0.0)
    return overlap


def _raw(label: int, score: float, box: FloatArray) -> RawBox:
    xmin, ymin, xmax, ymax = (float(side) for side in box)
    return RawBox(label, score, Box(xmin, ymin, xmax, ymax))
