"""From boxes and scores to what lies in the photo, how many of each, and what it is worth. Standard library only."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional, Sequence, Tuple

from device.runtime.checks import AMBIGUOUS, check_scene
from device.runtime.fit import Placement, place
from device.runtime.manifest_types import Manifest
from device.runtime.probabilities import ModelOutputError

if TYPE_CHECKING:
    from device.runtime.scene import SceneMeasurement


@dataclass(frozen=True)
class Box:
    """Left, top, right and bottom, in shares (0-1) or in pixels."""

    xmin: float
    ymin: float
    xmax: float
    ymax: float

    def to_json(self, digits: int) -> Dict[str, float]:
        sides = {"xmin": self.xmin, "ymin": self.ymin, "xmax": self.xmax, "ymax": self.ymax}
        return {name: round(side, digits) for name, side in sides.items()}


@dataclass(frozen=True)
class RawBox:
    """As a detector gives it. label_index: 0 is the manifest's first label; box: in shares of the model's input."""

    label_index: int
    score: float
    box: Box


@dataclass(frozen=True)
class DetectedObject:
    """box: in shares of the upright photo; box_px: in its pixels."""

    label: str
    confidence: float
    box: Box
    box_px: Box

    def to_json(self) -> Dict[str, Any]:
        return {
            "label": self.label,
            "confidence": round(self.confidence, 6),
            "box": self.box.to_json(6),
            "box_px": self.box_px.to_json(1),
        }


@dataclass(frozen=True)
class DetectionDecision:
    """detections: the surest first. sum: of the labels' values; None where the labels have none."""

    detections: Tuple[DetectedObject, ...]
    counts: Mapping[str, int]
    sum: Optional[float]
    reasons: Tuple[str, ...]
    checks_skipped: Tuple[str, ...]

    @property
    def unknown(self) -> bool:
        return bool(self.reasons)

    @property
    def label(self) -> Optional[str]:
        return self.detections[0].label if self.detections else None

    @property
    def confidence(self) -> Optional[float]:
        return self.detections[0].confidence if self.detections else None

    def to_json(self) -> Dict[str, Any]:
        return {
            "detections": [detection.to_json() for detection in self.detections],
            "counts": dict(self.counts),
            "sum": self.sum,
            "label": self.label,
            "confidence": None if self.confidence is None else round(self.confidence, 6),
            "unknown": self.unknown,
            "reasons": list(self.reasons),
            "checks_skipped": list(self.checks_skipped),
        }


def decide_detections(
    boxes: Sequence[RawBox],
    manifest: Manifest,
    photo_size: Tuple[int, int],
    scene: Optional[SceneMeasurement] = None,
    distance: Optional[float] = None,
) -> DetectionDecision:
    """photo_size: width and height of the upright original in pixels. Raises: ModelOutputError.

    Ambiguous: a box that was left out lies so near its threshold that counts and sum could be others.
    """
    _check(boxes, manifest)
    placement = place(photo_size, manifest.input)
    kept = [raw for raw in boxes if raw.score >= _threshold(raw, manifest)]
    found = tuple(_detected(raw, manifest, placement, photo_size) for raw in _surest_first(kept))
    verdict = check_scene(manifest, scene, distance)
    return DetectionDecision(
        detections=found,
        counts={name: sum(each.label == name for each in found) for name in manifest.label_names},
        sum=_sum(found, manifest),
        reasons=tuple(_doubts(boxes, manifest)) + verdict.reasons,
        checks_skipped=verdict.skipped,
    )


def _check(boxes: Sequence[RawBox], manifest: Manifest) -> None:
    for raw in boxes:
        sides = (raw.box.xmin, raw.box.ymin, raw.box.xmax, raw.box.ymax)
        if not all(math.isfinite(value) for value in (raw.score, *sides)):
            raise ModelOutputError("not-finite", "the model answered a box with NaN or infinity")
        if not 0 <= raw.label_index < len(manifest.labels):
            raise ModelOutputError(
                "wrong-length",
                "the model answered class %d; the manifest has %d labels" % (raw.label_index, len(manifest.labels)),
            )
        if not 0 <= raw.score <= 1.001:
            raise ModelOutputError("not-probabilities", "the model answered a box with score %r" % raw.score)


def _threshold(raw: RawBox, manifest: Manifest) -> float:
    return manifest.decision.thresholds[manifest.labels[raw.label_index].name]


def _surest_first(boxes: Sequence[RawBox]) -> List[RawBox]:
    return sorted(boxes, key=lambda raw: -raw.score)


def _detected(raw: RawBox, manifest: Manifest, placement: Placement, size: Tuple[int, int]) -> DetectedObject:
    xmin, ymin, xmax, ymax = placement.to_photo((raw.box.xmin, raw.box.ymin, raw.box.xmax, raw.box.ymax))
    return DetectedObject(
        label=manifest.labels[raw.label_index].name,
        confidence=min(1.0, raw.score),
        box=Box(xmin, ymin, xmax, ymax),
        box_px=Box(xmin * size[0], ymin * size[1], xmax * size[0], ymax * size[1]),
    )


def _sum(found: Sequence[DetectedObject], manifest: Manifest) -> Optional[float]:
    values = {label.name: label.value for label in manifest.labels if label.value is not None}
    if not values:
        return None
    return sum(values.get(each.label, 0.0) for each in found)


def _doubts(boxes: Sequence[RawBox], manifest: Manifest) -> List[str]:
    margin = manifest.decision.ambiguous_margin
    near = any(0 < _threshold(raw, manifest) - raw.score <= margin for raw in boxes)
    return [AMBIGUOUS] if near else []
