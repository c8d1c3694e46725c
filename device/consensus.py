"""From an answer a frame to something that happened: several frames must agree, and it must be new."""

from __future__ import annotations

import json
from collections import deque
from typing import Any, Deque, Dict, Hashable, Optional

from device.config import ResultsConfig
from device.frame_loop import Seen
from device.runtime.decision import DetectionDecision

# Of JSON.
MAX_RESULT_BYTES = 32 * 1024
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
        # A clock that was put back must not silence it for ever.
        return self._config.repeat_s > 0 and not 0 <= now_s - self._said_at_s < self._config.repeat_s


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
    """No longer than the service takes: of very many labels the likeliest, of boxes the surest; `counts` has all."""
    document = dict(seen.answer.result.to_json())
    if "counts" in document and _is_too_long(document):
        document["counts"] = {label: count for label, count in document["counts"].items() if count}
    while _is_too_long(document):
        if document.get("detections"):
            document["detections"] = document["detections"][: len(document["detections"]) // 2]
        elif document.get("probabilities"):
            ranked = sorted(document["probabilities"].items(), key=lambda each: -each[1])
            document["probabilities"] = dict(ranked[: len(ranked) // 2])
        else:
            break
    return document


def _is_too_long(document: Dict[str, Any]) -> bool:
    return len(json.dumps(document)) > MAX_RESULT_BYTES
