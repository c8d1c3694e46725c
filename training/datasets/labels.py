"""Names of classes as people write them: line ends are taken off, and what may be one class under two names is said."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from itertools import combinations

ENDINGS = ("ables", "able", "ings", "ing", "es", "ed", "s", "e")
SHORTEST_STEM = 4
MOST_DIGITS = 9


def is_count(text: str) -> bool:
    """Digits only, and no more of them than a number of things has."""
    return text.isdecimal() and len(text) <= MOST_DIGITS


def label_notes(raw: Iterable[str]) -> tuple[str, ...]:
    """`raw`: the label of each photo, as its file has it."""
    counts = Counter(raw)
    stripped = [
        f"label {label!r} is read as {label.strip()!r} ({photos} photos)"
        for label, photos in sorted(counts.items())
        if label != label.strip()
    ]
    return (*stripped, *alike_notes({label.strip() for label in counts}))


def alike_notes(labels: Iterable[str]) -> tuple[str, ...]:
    """A hint for each pair such as `Recycle` and `Recycling`; nothing is merged that nobody asked to be."""
    pairs = combinations(sorted(label for label in labels if not label.isdecimal()), 2)
    return tuple(
        f"labels {first} and {second} look alike: if they are one class, give both the same name"
        for first, second in pairs
        if _stem(first) == _stem(second)
    )


def _stem(label: str) -> str:
    word = re.sub(r"[\W_]+", "", label.casefold())
    for ending in ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= SHORTEST_STEM:
            return word[: -len(ending)]
    return word
