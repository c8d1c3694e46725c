"""What cameras report of the world: events in order, each under one key, and what is still missing of a boot."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

Range = tuple[int, int]
MAX_EVENTS = 24
KEEP_S = 90 * 24 * 3600
MAX_RANGES = 64
# A batch is one transaction: every event once under its own key, and at most so often under a label.
MAX_PLACES = 3
UNKNOWN, NOTHING = "unknown", "nothing"
MAX_LABEL = 128


@dataclass(frozen=True)
class CameraEvent:
    """`captured_at_s` by the camera's clock, as it was sent; `at_s` corrected by the offset measured on arrival."""

    device: str
    fleet: str
    boot: str
    sequence: int
    captured_at_s: float
    at_s: float
    received_at_s: float
    model: str | None
    task: str
    result: Mapping[str, Any]
    reference: str | None = None
    expected: int | None = None
    thumbnail: str | None = None

    @property
    def is_mismatch(self) -> bool:
        """A count that is known and is another than what the bin should hold."""
        count = self.result.get("count")
        return None not in (self.expected, count) and count != self.expected and not self.result.get("unknown", False)

    @property
    def labels(self) -> tuple[str, ...]:
        """Under what it is found: `unknown`, `nothing`, or the most frequent of the labels that were seen."""
        if self.result.get("unknown", False):
            return (UNKNOWN,)
        counts = self.result.get("counts")
        if not isinstance(counts, dict):
            label = self.result.get("label")
            return (str(label)[:MAX_LABEL] if label else NOTHING,)
        seen = sorted((label for label in counts if counts[label]), key=lambda label: (-counts[label], label))
        most = MAX_PLACES - 1 if self.is_mismatch else MAX_PLACES
        return tuple(label[:MAX_LABEL] for label in seen[:most]) or (NOTHING,)


@dataclass(frozen=True)
class Stream:
    """What was heard of one boot: everything up to `acknowledged`, and `ahead` of it these ranges.

    `dropped`: numbers that the camera said will never come; they are heard as well.
    """

    device: str
    boot: str
    acknowledged: int = 0
    ahead: tuple[Range, ...] = ()
    stored: int = 0
    refused: int = 0
    dropped: int = 0
    record_version: int = 0

    def has_heard(self, sequence: int) -> bool:
        return sequence <= self.acknowledged or any(first <= sequence <= last for first, last in self.ahead)

    def hearing(self, ranges: Iterable[Range], **counts: int) -> Stream:
        """After these came. `counts` are added."""
        joined = _joined([*self.ahead, *ranges])
        acknowledged = self.acknowledged
        while joined and joined[0][0] <= acknowledged + 1:
            acknowledged = max(acknowledged, joined.pop(0)[1])
        added = {name: getattr(self, name) + more for name, more in counts.items()}
        return replace(self, acknowledged=acknowledged, ahead=tuple(joined), **added)

    @property
    def gaps(self) -> list[Range]:
        """What is missing below the newest."""
        ends = [self.acknowledged, *(last for _, last in self.ahead)]
        return [(end + 1, first - 1) for end, (first, _) in zip(ends, self.ahead, strict=False)]

    def unheard(self, ranges: Sequence[Range]) -> int:
        """How many numbers of `ranges` are new."""
        before = _joined([(1, self.acknowledged), *self.ahead])
        return _total(_joined([*before, *ranges])) - _total(before)


def corrected(captured_at_s: float, sent_at_s: float | None, now_s: float) -> float:
    """By the camera's offset; never later than it arrived."""
    offset_s = 0.0 if sent_at_s is None else sent_at_s - now_s
    return round(min(captured_at_s - offset_s, now_s), 3)


def _joined(ranges: Iterable[Range]) -> list[Range]:
    found: list[Range] = []
    for first, last in sorted(ranges):
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(found[-1][1], last))
        elif first <= last:
            found.append((first, last))
    return found


def _total(ranges: Sequence[Range]) -> int:
    return sum(last - first + 1 for first, last in ranges)
