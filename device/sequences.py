"""Sets of sequence numbers as ascending ranges that do not touch: [(1, 4), (7, 7)]."""

from __future__ import annotations

from typing import List, Sequence, Tuple

Range = Tuple[int, int]


def joined(ranges: Sequence[Range]) -> List[Range]:
    """Any ranges, in order and melted together."""
    found: List[Range] = []
    for first, last in sorted(ranges):
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(found[-1][1], last))
        elif first <= last:
            found.append((first, last))
    return found


def after(ranges: Sequence[Range], number: int) -> List[Range]:
    """What lies above `number`."""
    return [(max(first, number + 1), last) for first, last in ranges if last > number]


def without(wanted: Range, held: Sequence[Range]) -> List[Range]:
    """The parts of `wanted` that lie in none of the `held` ranges."""
    left, start = [], wanted[0]
    for first, last in joined(held):
        if last < start or first > wanted[1]:
            continue
        if first > start:
            left.append((start, first - 1))
        start = last + 1
    return [*left, (start, wanted[1])] if start <= wanted[1] else left


def total(ranges: Sequence[Range]) -> int:
    return sum(last - first + 1 for first, last in ranges)
