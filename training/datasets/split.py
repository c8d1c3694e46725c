"""Splits a photo set by the hash of the content, never by chance: duplicates and groups stay together."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from training.datasets.duplicates import copy_notes, group_duplicates
from training.datasets.photo_set import DatasetError, Photo, PhotoSet

SPLITS = ("train", "validation", "test")
DEFAULT_SHARES = (0.75, 0.1, 0.15)


@dataclass(frozen=True)
class Split:
    train: PhotoSet
    validation: PhotoSet
    test: PhotoSet

    def parts(self) -> dict[str, PhotoSet]:
        return {"train": self.train, "validation": self.validation, "test": self.test}

    def notes(self) -> list[str]:
        """What was kept together, for people."""
        grouped = [photo for part in self.parts().values() for photo in part.photos]
        return [f"  {note}" for note in copy_notes(grouped)]


def split_photos(photos: PhotoSet, shares: Sequence[float] = DEFAULT_SHARES, seed: int = 0) -> Split:
    """Train, validation and test, each with its share of every class.

    Groups are ordered by a hash of their content and the seed, and dealt out in that order: the same photos fall the
    same way whatever they are called, and the smallest class still has photos on every side.

    Raises: DatasetError, when a side that has a share is left without photos: they are of too few groups.
    """
    grouped = group_duplicates(photos.photos)
    sides = _deal(grouped, shares, seed)
    parts = [tuple(p for p in grouped if sides[p.group] == side) for side in range(len(shares))]
    if not all(part for part, share in zip(parts, shares, strict=True) if share > 0):
        groups = len(set(sides))
        raise DatasetError(f"{photos.report.source} cannot be split in three: its photos are of {groups} groups")
    return Split(*(photos.with_photos(part) for part in parts))


def folds(photos: PhotoSet, count: int, seed: int = 0) -> list[tuple[PhotoSet, PhotoSet]]:
    """`count` pairs (rest, held out); every photo is held out once, duplicates together, classes evenly spread."""
    grouped = group_duplicates(photos.photos)
    place = _deal(grouped, [1 / count] * count, seed)
    pairs = []
    for fold in range(count):
        rest = tuple(photo for photo in grouped if place[photo.group] != fold)
        held_out = tuple(photo for photo in grouped if place[photo.group] == fold)
        pairs.append((photos.with_photos(rest), photos.with_photos(held_out)))
    return pairs


def _deal(photos: Sequence[Photo], shares: Sequence[float], seed: int) -> dict[str, int]:
    sizes = Counter(photo.group for photo in photos)
    label_of = {photo.group: photo.label for photo in photos}
    by_label: dict[str, list[str]] = defaultdict(list)
    for group in sorted(sizes, key=lambda group: hashlib.sha256(f"{seed} {group}".encode()).digest()):
        by_label[label_of[group]].append(group)
    sides: dict[str, int] = {}
    for groups in by_label.values():
        sides.update(deal_groups(groups, sizes, shares))
    return sides


def deal_groups(groups: Sequence[str], sizes: Counter[str], shares: Sequence[float]) -> dict[str, int]:
    """Each group goes to the side that has the least of its share, so that even three groups reach three sides."""
    dealt = [0.0] * len(shares)
    wanted = [side for side, share in enumerate(shares) if share > 0]
    sides = {}
    for group in groups:
        side = min(wanted, key=lambda side: dealt[side] / shares[side])
        dealt[side] += sizes[group]
        sides[group] = side
    return sides
