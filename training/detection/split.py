"""Splits near-sequential frames: neighbours look alike, so the tail of each sequence is held out after a gap."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from training.datasets.photo_set import DatasetError
from training.datasets.split import deal_groups
from training.detection.channel import BoxedPhoto

SHORTEST_SEQUENCE = 8
VALIDATION_SHARE, TEST_SHARE = 0.12, 0.2


@dataclass(frozen=True)
class SequenceSplit:
    """`unused` are the gaps: too like their neighbours on either side to count for anything."""

    train: tuple[BoxedPhoto, ...]
    validation: tuple[BoxedPhoto, ...]
    test: tuple[BoxedPhoto, ...]
    unused: tuple[BoxedPhoto, ...]


def split_frames(photos: Sequence[BoxedPhoto]) -> SequenceSplit:
    """By site or camera, where the frames' lines name one; else the tail of each sequence is held out.

    Raises: DatasetError, for sites or cameras that are too few for three sides.
    """
    return _split_groups(photos) if any(photo.group for photo in photos) else split_sequences(photos)


def _split_groups(photos: Sequence[BoxedPhoto]) -> SequenceSplit:
    """Each group, and each sequence that is of none, on one side, dealt out in the order of its name's hash."""
    sizes = Counter(photo.group or photo.sequence for photo in photos)
    ordered = sorted(sizes, key=lambda name: hashlib.sha256(name.encode()).digest())
    sides = deal_groups(ordered, sizes, (1 - VALIDATION_SHARE - TEST_SHARE, VALIDATION_SHARE, TEST_SHARE))
    parts = [tuple(p for p in photos if sides[p.group or p.sequence] == side) for side in range(3)]
    if not all(parts):
        raise DatasetError(f"the frames cannot be split in three: they are of {len(sizes)} groups")
    return SequenceSplit(parts[0], parts[1], parts[2], unused=())


def split_sequences(
    photos: Sequence[BoxedPhoto],
    validation_share: float = VALIDATION_SHARE,
    test_share: float = TEST_SHARE,
    gap: int = 1,
) -> SequenceSplit:
    """Each sequence in order: train, a gap, validation, a gap, test.

    Sequences of a few photos go whole to one side, by their name's hash.
    """
    parts: dict[str, list[BoxedPhoto]] = defaultdict(list)
    for name, sequence in by_sequence(photos).items():
        if len(sequence) < SHORTEST_SEQUENCE:
            parts[_side(name, validation_share, test_share)] += sequence
            continue
        test = round(len(sequence) * test_share)
        validation = round(len(sequence) * validation_share)
        ends = len(sequence) - test, len(sequence) - test - gap - validation
        train = max(0, ends[1] - gap)
        parts["test"] += sequence[ends[0] :]
        parts["validation"] += sequence[ends[1] : ends[0] - gap]
        parts["train"] += sequence[:train]
        parts["unused"] += sequence[train : ends[1]] + sequence[ends[0] - gap : ends[0]]
    return SequenceSplit(*(tuple(parts[name]) for name in ("train", "validation", "test", "unused")))


def _side(name: str, validation_share: float, test_share: float) -> str:
    place = int.from_bytes(hashlib.sha256(name.encode()).digest()[:6], "big") / 2**48
    if place < test_share:
        return "test"
    return "validation" if place < test_share + validation_share else "train"


def hold_out_sequence(photos: Sequence[BoxedPhoto], sequence: str) -> tuple[list[BoxedPhoto], list[BoxedPhoto]]:
    """(the others, the sequence), for a figure on a side or a place that training never saw."""
    others = [photo for photo in photos if photo.sequence != sequence]
    return others, [photo for photo in photos if photo.sequence == sequence]


def by_sequence(photos: Sequence[BoxedPhoto]) -> dict[str, list[BoxedPhoto]]:
    """Frames of each sequence in the order of their numbers."""
    sequences: dict[str, list[BoxedPhoto]] = defaultdict(list)
    for photo in sorted(photos, key=lambda photo: (photo.sequence, photo.place)):
        sequences[photo.sequence].append(photo)
    return dict(sequences)
