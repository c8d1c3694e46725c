"""From what the network says to an answer that knows when it does not know. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional, Sequence, Tuple

from device.runtime.checks import AMBIGUOUS, LOW_CONFIDENCE, UNLIKE_TRAINING, check_scene
from device.runtime.detections import Box, DetectedObject, DetectionDecision, RawBox, decide_detections
from device.runtime.manifest_types import Decision, Manifest
from device.runtime.probabilities import ModelOutputError, calibrate, checked, ranked

if TYPE_CHECKING:
    from device.runtime.scene import SceneMeasurement

__all__ = [
    "Box",
    "ClassificationDecision",
    "CountDecision",
    "CountMatch",
    "DetectedObject",
    "DetectionDecision",
    "ModelOutputError",
    "RawBox",
    "decide_classification",
    "decide_count",
    "decide_detections",
]

_DIGITS = 6


@dataclass(frozen=True)
class ClassificationDecision:
    """label: the most likely trained label, also when unknown. confidence, probabilities: calibrated."""

    label: str
    confidence: float
    reasons: Tuple[str, ...]
    probabilities: Mapping[str, float]
    checks_skipped: Tuple[str, ...]

    @property
    def unknown(self) -> bool:
        return bool(self.reasons)

    def to_json(self) -> Dict[str, Any]:
        return {
            "label": self.label,
            "confidence": round(self.confidence, _DIGITS),
            "unknown": self.unknown,
            "reasons": list(self.reasons),
            "probabilities": {name: round(value, _DIGITS) for name, value in self.probabilities.items()},
            "checks_skipped": list(self.checks_skipped),
        }


@dataclass(frozen=True)
class CountMatch:
    """Whether the bin holds what it should. None where the model cannot tell: outside its trained range."""

    expected: int
    matches: Optional[bool]
    probability: Optional[float]


@dataclass(frozen=True)
class CountDecision:
    """count: the most likely one; interval: the shortest range that holds at least the manifest's probability."""

    count: int
    confidence: float
    reasons: Tuple[str, ...]
    probabilities: Mapping[str, float]
    expected_value: float
    interval: Tuple[int, int]
    beyond_trained_range: bool
    checks_skipped: Tuple[str, ...]

    @property
    def label(self) -> str:
        return str(self.count)

    @property
    def unknown(self) -> bool:
        return bool(self.reasons)

    def match(self, expected: int) -> CountMatch:
        probability = self.probabilities.get(str(expected))
        if probability is None:
            return CountMatch(expected, None, None)
        return CountMatch(expected, self.count == expected, round(probability, _DIGITS))

    def to_json(self) -> Dict[str, Any]:
        return {
            "count": self.count,
            "label": self.label,
            "confidence": round(self.confidence, _DIGITS),
            "unknown": self.unknown,
            "reasons": list(self.reasons),
            "probabilities": {name: round(value, _DIGITS) for name, value in self.probabilities.items()},
            "expected_value": round(self.expected_value, 4),
            "interval": list(self.interval),
            "beyond_trained_range": self.beyond_trained_range,
            "checks_skipped": list(self.checks_skipped),
        }


def decide_classification(
    probabilities: Sequence[float],
    manifest: Manifest,
    scene: Optional[SceneMeasurement] = None,
    distance: Optional[float] = None,
) -> ClassificationDecision:
    """probabilities: as the network gave them, in the order of the manifest's labels. Raises: ModelOutputError."""
    calibrated = _calibrated(probabilities, manifest)
    best, confidence = ranked(calibrated)[0]
    verdict = check_scene(manifest, scene, distance)
    return ClassificationDecision(
        label=manifest.labels[best].name,
        confidence=confidence,
        reasons=tuple(_doubts(calibrated, manifest)) + verdict.reasons,
        probabilities=dict(zip(manifest.label_names, calibrated)),
        checks_skipped=verdict.skipped,
    )


def decide_count(
    probabilities: Sequence[float],
    manifest: Manifest,
    scene: Optional[SceneMeasurement] = None,
    distance: Optional[float] = None,
) -> CountDecision:
    """probabilities: as the network gave them, one for each of the manifest's counts. Raises: ModelOutputError.

    Beyond the trained range is also unlike the training photos, and so unknown.
    """
    calibrated = _calibrated(probabilities, manifest)
    counts = [int(name) for name in manifest.label_names]
    best, confidence = ranked(calibrated)[0]
    verdict = check_scene(manifest, scene, distance)
    reasons = tuple(_doubts(calibrated, manifest)) + verdict.reasons
    beyond = _is_beyond(counts[best], confidence, manifest.decision, UNLIKE_TRAINING in reasons)
    if beyond and UNLIKE_TRAINING not in reasons:
        reasons += (UNLIKE_TRAINING,)
    return CountDecision(
        count=counts[best],
        confidence=confidence,
        reasons=reasons,
        probabilities=dict(zip(manifest.label_names, calibrated)),
        expected_value=sum(count * value for count, value in zip(counts, calibrated)),
        interval=_shortest_interval(counts, calibrated, manifest.decision.interval),
        beyond_trained_range=beyond,
        checks_skipped=verdict.skipped,
    )


def _calibrated(probabilities: Sequence[float], manifest: Manifest) -> List[float]:
    return calibrate(checked(probabilities, len(manifest.labels)), manifest.decision.temperature)


def _doubts(calibrated: Sequence[float], manifest: Manifest) -> List[str]:
    order = ranked(calibrated)
    best, confidence = order[0]
    doubts = []
    if confidence < manifest.decision.thresholds[manifest.labels[best].name]:
        doubts.append(LOW_CONFIDENCE)
    if len(order) > 1 and confidence - order[1][1] < manifest.decision.ambiguous_margin:
        doubts.append(AMBIGUOUS)
    return doubts


def _is_beyond(count: int, confidence: float, decision: Decision, unlike_training: bool) -> bool:
    if decision.trained_range is None:
        return False
    low, high = decision.trained_range
    if not low <= count <= high:
        return True
    # A network trained on up to `high` calls everything above it `high` too.
    sure = decision.beyond_probability is not None and confidence >= decision.beyond_probability
    return count == high and (unlike_training or sure)


def _shortest_interval(counts: Sequence[int], probabilities: Sequence[float], share: float) -> Tuple[int, int]:
    """Of the shortest ranges the most probable one, the lower of equals."""
    for length in range(1, len(counts) + 1):
        sums = [sum(probabilities[start : start + length]) for start in range(len(counts) - length + 1)]
        largest = max(sums)
        if largest >= share - 1e-9:
            start = sums.index(largest)
            return counts[start], counts[start + length - 1]
    return counts[0], counts[-1]
