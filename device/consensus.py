"""From an answer a frame to something that happened: several frames must agree, and it must be new."""

from __future__ import annotations

from collections import deque
from typing import Any, Deque, Dict, Hashable, Optional

from device.config import ResultsConfig
from device.frame_loop import Seen
from device.runtime.decision import DetectionDecision

UNKNOWN, NOTHING = "unknown", "nothing"


class Consensus:
    """Of one camera; a new model begins anew."""

    def __init__(self, config: ResultsConfig) -> None:
        self._config = config
        self._last: Deque[Hashable] = deque(maxlen=config.frames)
        self._said: Hashable = None
        self._said_at_s = 0.0
        self._digest: Optional[str] = None

    def is_news(self, seen: Seen) -> bool:
        """True when this frame's answer is that of enough of the last frames, and was not told already."""
        if seen.digest != self._digest:
            self._last.clear()
            self._digest, self._said = seen.digest, None
        what = said_of(seen)
        self._last.append(what)
        if self._last.count(what) < self._config.agree:
            return False
        if what == self._said and not self._is_due(seen.frame.captured_at_s):
            return False
        self._said, self._said_at_s = what, seen.frame.captured_at_s
        return True

    def _is_due(self, now_s: float) -> bool:
        return 0 < self._config.repeat_s <= now_s - self._said_at_s


def said_of(seen: Seen) -> Hashable:
    """What is compared: a label, or how many of each were found. Unknown is one answer, whatever it may be."""
    result = seen.answer.result
    if result.unknown:
        return UNKNOWN
    if isinstance(result, DetectionDecision):
        return tuple(sorted((label, count) for label, count in result.counts.items() if count)) or NOTHING
    return result.label


def object_of(seen: Seen) -> str:
    """In a word, for displays."""
    result = seen.answer.result
    return UNKNOWN if result.unknown else result.label or NOTHING


def result_json(seen: Seen) -> Dict[str, Any]:
    return dict(seen.answer.result.to_json())
