"""Frames that are nearly the same as a held-out one: a tail after a gap still meets them where a scene comes back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from training.datasets.duplicates import NEAR_BITS
from training.datasets.photo_set import DatasetError, Skipped
from training.datasets.reading import read_photo
from training.detection.channel import BoxedPhoto
from training.detection.split import SequenceSplit


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
    others = {hashes[photo.path] for photo in held_out}
    near = {photo.path for photo in photos if _is_near_any(hashes[photo.path], others)}
    return tuple(p for p in photos if p.path not in near), tuple(p for p in photos if p.path in near)


def _is_near_any(bits: int, others: set[int]) -> bool:
    return any((bits ^ other).bit_count() <= NEAR_BITS for other in others)
