"""Frames that are nearly the same as a held-out one: a tail after a gap still meets them where a scene comes back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from training.datasets.duplicates import NEAR_BITS
from training.datasets.photo_set import DatasetError, Skipped
from training.datasets.reading import read_photo
from training.detection.boxes import overlap
from training.detection.channel import BoxedPhoto
from training.detection.split import SequenceSplit

# Of frames of one table the hash sees the table: it is the same object in the same place that makes two of them one.
SAME_PLACE_IOU = 0.75


def perceptual_hashes(photos: Sequence[BoxedPhoto]) -> dict[Path, int]:
    """Raises: DatasetError, for a photo that cannot be read."""
    hashes = {}
    for photo in photos:
        read = read_photo(photo.path, "")
        if isinstance(read, Skipped):
            raise DatasetError(f"{photo.path}: {read.reason}")
        hashes[photo.path] = read.perceptual_hash
    return hashes


def apart(split: SequenceSplit, hashes: Mapping[Path, int]) -> SequenceSplit:
    """The same test frames; what is nearly the same as one of a later side is left out, like the frames of a gap."""
    validation, like_test = _parted(split.validation, split.test, hashes)
    train, like_held_out = _parted(split.train, (*validation, *split.test), hashes)
    return replace(split, train=train, validation=validation, unused=(*split.unused, *like_test, *like_held_out))


def _parted(
    photos: Sequence[BoxedPhoto], held_out: Sequence[BoxedPhoto], hashes: Mapping[Path, int]
) -> tuple[tuple[BoxedPhoto, ...], tuple[BoxedPhoto, ...]]:
    """(those that are like none of `held_out`, the others)."""
    near = {photo.path for photo in photos if any(_are_nearly_one(photo, other, hashes) for other in held_out)}
    return tuple(p for p in photos if p.path not in near), tuple(p for p in photos if p.path in near)


def _are_nearly_one(first: BoxedPhoto, second: BoxedPhoto, hashes: Mapping[Path, int]) -> bool:
    return (hashes[first.path] ^ hashes[second.path]).bit_count() <= NEAR_BITS and _have_the_same_boxes(first, second)


def _have_the_same_boxes(first: BoxedPhoto, second: BoxedPhoto) -> bool:
    """As many of each class, and each where the other has one of its class."""
    if sorted(row[0] for row in first.rows) != sorted(row[0] for row in second.rows):
        return False
    if not first.rows:
        return True
    one, two = np.array(first.rows, dtype=np.float32), np.array(second.rows, dtype=np.float32)
    alike = (overlap(one[:, 1:], two[:, 1:]) >= SAME_PLACE_IOU) & (one[:, :1] == two[:, 0])
    return bool(alike.any(axis=0).all() and alike.any(axis=1).all())
