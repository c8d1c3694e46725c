"""What a model has answered since it was activated, and what its camera sees."""

from __future__ import annotations

import threading
from typing import Any, Dict, Mapping, Optional

from device.runtime.predictor import Answer

COUNTERS = ("predictions", "unknown", "confidence_sum", "errors")
# Why a frame is not like those that the model was trained on; the other reasons are the model's own doubts.
SCENE_REASONS = frozenset({"too_dark", "overexposed", "blurred", "unlike_training"})
# So many frames are remembered about the scene: a camera that was moved shows within the next as many.
_SCENE_SAMPLES = 500


class Tally:
    """Of one model, over restarts. Safe to use from several threads."""

    def __init__(self, counted: Optional[Mapping[str, Any]] = None) -> None:
        self._lock = threading.Lock()
        self._counters: Dict[str, float] = {name: (counted or {}).get(name, 0) for name in COUNTERS}
        self._scene: Dict[str, float] = {}
        self._samples = 0.0

    def add(self, answer: Answer) -> None:
        with self._lock:
            self._counters["predictions"] += 1
            self._counters["unknown"] += answer.result.unknown
            self._counters["confidence_sum"] += answer.result.confidence or 0.0
            self._add_scene(answer)

    def add_error(self) -> None:
        with self._lock:
            self._counters["errors"] += 1

    def counters(self) -> Dict[str, Any]:
        with self._lock:
            whole = {name: int(self._counters[name]) for name in COUNTERS if name != "confidence_sum"}
            return {**whole, "confidence_sum": round(self._counters["confidence_sum"], 3)}

    def scene(self) -> Optional[Dict[str, float]]:
        """Means; None before the first frame."""
        with self._lock:
            if not self._samples:
                return None
            means = {name: round(total / self._samples, 4) for name, total in self._scene.items()}
            return {**means, "samples": round(self._samples)}

    def _add_scene(self, answer: Answer) -> None:
        if self._samples >= _SCENE_SAMPLES:
            self._samples /= 2
            self._scene = {name: total / 2 for name, total in self._scene.items()}
        seen = dict(answer.scene.to_json())
        if answer.distance is not None:
            seen["distance"] = answer.distance
        seen["unlike_training"] = float(not SCENE_REASONS.isdisjoint(answer.result.reasons))
        self._samples += 1
        for name, value in seen.items():
            self._scene[name] = self._scene.get(name, 0.0) + value
