"""Where devices stand: a ring of 2^64 places, and the arcs of it that a promotion has reached."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

RING = 1 << 64
WHOLE_PERCENT = 100.0


def place_of(device_id: str) -> int:
    """A device's place, 0 to 2^64 - 1, for as long as it lives."""
    return int.from_bytes(hashlib.sha256(device_id.encode()).digest()[:8])


def place_name(place: int) -> str:
    """16 hex digits, which sort as the places do."""
    return f"{place % RING:016x}"


def start_of(promotion: str) -> int:
    """Every promotion starts elsewhere, so that it is not always the same cameras that go first."""
    return place_of(f"promotion\n{promotion}")


def arc_length(percent: float) -> int:
    """How much of the ring `percent` (0-100) of it is."""
    return min(RING, math.ceil(RING * (percent / WHOLE_PERCENT)))


def offset(place: int, start: int) -> int:
    """The way from `start` to `place`, clockwise."""
    return (place - start) % RING


def wave_of(place: int, start: int, lengths: Sequence[int]) -> int | None:
    """The first wave whose arc (`lengths`, never decreasing) holds `place`; None when none of them does."""
    way = offset(place, start)
    return next((wave for wave, length in enumerate(lengths) if way < length), None)


def lengthened(asked: int, start: int, places: Sequence[int], minimum: int) -> int:
    """`asked`, or as much more as it takes to hold all of `places`: the next `minimum` devices after the arc before.

    Fewer than `minimum` places are all that is left: then the arc is the whole ring.
    """
    if len(places) < minimum:
        return RING
    return max([asked, *(offset(place, start) + 1 for place in places[:minimum])])
