"""Frames worth training on: samplers choose, caps bound, near-duplicates are left out."""

from __future__ import annotations

import random
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Deque, Dict, List, NamedTuple, Optional, Sequence

from device.config import CaptureConfig
from device.consensus import object_of, result_json
from device.durable import read_json, write_json
from device.events import jpeg_of
from device.frame_loop import Seen
from device.frame_spool import FrameSpool
from device.runtime.decision import DetectionDecision
from device.tally import SCENE_REASONS
from device.uptime import mark
from device.worker import Worker

if TYPE_CHECKING:
    from PIL.Image import Image

_QUALITY = 90
_HOUR_S, _DAY_S = 3600.0, 86400.0
_REMEMBERED = 64
# Of 64 bits. The same scene a moment later differs in none to three, another object in twenty.
_NEAR_BITS = 5
_NEAR_MARGIN = 0.1


class _Sample(NamedTuple):
    seen: Seen
    sampler: str


class Capture:
    """A watcher of the frame loop; what it chooses is encoded and written in a thread of its own."""

    def __init__(self, config: CaptureConfig, spool: FrameSpool, draw: random.Random, kept: Path) -> None:
        """kept: a file that remembers over restarts when frames were taken."""
        self._config, self._spool, self._draw, self._kept = config, spool, draw, kept
        taken = _times_in(kept)
        self._caps = (Cap(config.per_hour, _HOUR_S, taken), Cap(config.per_day, _DAY_S, taken))
        self._known: Deque[int] = deque(maxlen=_REMEMBERED)
        self._worker: Worker[_Sample] = Worker("capture", self._keep, 2)

    def __call__(self, seen: Seen) -> None:
        sampler = self._chosen_by(seen)
        now_s = seen.frame.captured_at_s
        if sampler is None or not all(cap.has_room(now_s) for cap in self._caps):
            return
        looks = look_of(seen.frame.image)
        if any(bin(looks ^ known).count("1") <= _NEAR_BITS for known in self._known):
            return
        if self._worker.offer(_Sample(seen, sampler)):
            self._known.append(looks)
            for cap in self._caps:
                cap.take(now_s)

    def stop(self) -> None:
        self._worker.stop()

    def _chosen_by(self, seen: Seen) -> Optional[str]:
        for name in self._config.samplers:
            if _SAMPLERS[name](seen, self._config, self._draw):
                return name
        return None

    def _keep(self, sample: _Sample) -> None:
        image = sample.seen.frame.image.copy()
        image.thumbnail((self._config.width_px, self._config.width_px))
        self._spool.put(jpeg_of(image, _QUALITY), described(sample.seen, sample.sampler))
        write_json(self._kept, {"taken": self._caps[1].taken})


class Cap:
    """So many in any span of time."""

    def __init__(self, most: int, span_s: float, taken: Sequence[float] = ()) -> None:
        self._most, self._span_s = most, span_s
        self._taken: Deque[float] = deque(taken)

    @property
    def taken(self) -> List[float]:
        return list(self._taken)

    def has_room(self, now_s: float) -> bool:
        # A clock that was put back must not close the cap for ever.
        while self._taken and not 0 <= now_s - self._taken[0] < self._span_s:
            self._taken.popleft()
        return len(self._taken) < self._most

    def take(self, now_s: float) -> None:
        self._taken.append(now_s)


def _times_in(path: Path) -> List[float]:
    found = read_json(path).get("taken")
    return [float(each) for each in found if isinstance(each, (int, float))] if isinstance(found, list) else []


def described(seen: Seen, sampler: str) -> Dict[str, Any]:
    """As the spool keeps it."""
    return {
        "captured_at_s": round(seen.frame.captured_at_s, 3),
        "sampler": sampler,
        "model": seen.digest,
        "thought": result_json(seen),
        **mark(seen.frame.up_s),
    }


def look_of(image: Image) -> int:
    """64 bits: which of two neighbours is brighter, on 9 x 8 pixels."""
    pixels = image.convert("L").resize((9, 8)).tobytes()
    bits = 0
    for row in range(8):
        for column in range(8):
            at = row * 9 + column
            bits = bits << 1 | (pixels[at] < pixels[at + 1])
    return bits


def _randomly(seen: Seen, config: CaptureConfig, draw: random.Random) -> bool:
    return draw.random() < config.share


def _near_threshold(seen: Seen, config: CaptureConfig, draw: random.Random) -> bool:
    """Where a human's word is worth most."""
    result, thresholds = seen.answer.result, seen.manifest.decision.thresholds
    if isinstance(result, DetectionDecision):
        return "ambiguous" in result.reasons
    return "ambiguous" in result.reasons or abs(result.confidence - thresholds[result.label]) < _NEAR_MARGIN


def _by_class(seen: Seen, config: CaptureConfig, draw: random.Random) -> bool:
    return object_of(seen) in (config.labels or seen.manifest.label_names)


def _scene_mismatch(seen: Seen, config: CaptureConfig, draw: random.Random) -> bool:
    return bool(SCENE_REASONS.intersection(seen.answer.result.reasons))


_SAMPLERS: Dict[str, Callable[[Seen, CaptureConfig, random.Random], bool]] = {
    "random": _randomly,
    "near_threshold": _near_threshold,
    "by_class": _by_class,
    "scene_mismatch": _scene_mismatch,
}
