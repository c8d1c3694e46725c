"""Whether a photo looks like those the model was trained on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, List, Optional, Tuple

from device.runtime.manifest_types import Interval, Manifest, Scene

if TYPE_CHECKING:
    from device.runtime.scene import SceneMeasurement

LOW_CONFIDENCE = "low_confidence"
AMBIGUOUS = "ambiguous"
TOO_DARK = "too_dark"
OVEREXPOSED = "overexposed"
BLURRED = "blurred"
UNLIKE_TRAINING = "unlike_training"

# The quantiles leave out one photo in a hundred for each measurement: an outlier lies well outside of them.
_SLACK = 0.5
_ASPECT_FACTOR = 2.0


@dataclass(frozen=True)
class SceneVerdict:
    """reasons: why the photo cannot be trusted; skipped: the reasons that could not be looked into (fully)."""

    reasons: Tuple[str, ...]
    skipped: Tuple[str, ...]


def check_scene(manifest: Manifest, measured: Optional[SceneMeasurement], distance: Optional[float]) -> SceneVerdict:
    """distance: cosine distance of the features to the nearest reference. None: not measured."""
    scene = manifest.scene
    reasons: List[str] = []
    skipped: List[str] = []
    outlier = False
    if scene is None or measured is None:
        skipped += [TOO_DARK, OVEREXPOSED, BLURRED]
    else:
        reasons += _light_and_blur(scene, measured)
        outlier = _is_outlier(scene, measured)
    references = scene.references if scene else None
    if references is None or distance is None:
        skipped.append(UNLIKE_TRAINING)
    elif not distance <= references.max_distance:
        outlier = True
    return SceneVerdict(tuple(reasons + [UNLIKE_TRAINING] * outlier), tuple(skipped))


def _light_and_blur(scene: Scene, measured: SceneMeasurement) -> List[str]:
    checks = (
        (TOO_DARK, measured.brightness < scene.brightness[0]),
        (OVEREXPOSED, measured.brightness > scene.brightness[1]),
        (BLURRED, measured.sharpness < scene.sharpness[0]),
    )
    return [reason for reason, found in checks if found]


def _is_outlier(scene: Scene, measured: SceneMeasurement) -> bool:
    low, high = scene.aspect
    return (
        _far_outside(measured.contrast, scene.contrast)
        or measured.sharpness > _upper(scene.sharpness)
        or (scene.fill is not None and _far_outside(measured.fill, scene.fill))
        or not low / _ASPECT_FACTOR <= measured.aspect <= high * _ASPECT_FACTOR
    )


def _far_outside(value: float, interval: Interval) -> bool:
    low, high = interval
    return value < low - _SLACK * (high - low) or value > _upper(interval)


def _upper(interval: Interval) -> float:
    return interval[1] + _SLACK * (interval[1] - interval[0])
