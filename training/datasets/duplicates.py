"""Finds exact and near duplicates, so that a photo and its copy never stand on both sides of a split."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from training.datasets.photo_set import Photo
from training.datasets.reading import HASH_SIDE

HASH_BITS = HASH_SIDE * HASH_SIDE
# Re-encoding or resizing a photo moves at most 15 of the 256 bits 19 times in 20; of 2.9 million pairs of different
# photos of waste on a board 52 are as near, and being grouped by mistake does them no harm.
NEAR_BITS = 15
MOST_NOTES = 10
BANDS = NEAR_BITS + 1
BAND_BITS = HASH_BITS // BANDS


def group_duplicates(photos: Sequence[Photo]) -> tuple[Photo, ...]:
    """Each photo with `group` set: the same for photos that are copies of each other or share a given group already."""
    parents = list(range(len(photos)))
    for bucket in _candidates(photos):
        for first, second in pairwise(bucket):
            _join(parents, first, second)
    for bucket in _near_candidates(photos):
        _join_near(parents, photos, bucket)
    members: dict[int, list[str]] = defaultdict(list)
    for index, photo in enumerate(photos):
        members[_root(parents, index)].append(photo.sha256)
    return tuple(replace(photo, group=min(members[_root(parents, i)])) for i, photo in enumerate(photos))


def copy_notes(grouped: Sequence[Photo]) -> list[str]:
    """How many photos stand together because of what `group_duplicates` found, and copies with two labels."""
    members: dict[str, list[Photo]] = defaultdict(list)
    same: dict[str, list[Photo]] = defaultdict(list)
    for photo in grouped:
        members[photo.group].append(photo)
        same[photo.sha256].append(photo)
    together = sum(len(photos) for photos in members.values() if len(photos) > 1)
    notes = [f"{together} photos are copies, nearly copies or of one group: each such group is on one side"]
    twice = [photos for photos in same.values() if len({photo.label for photo in photos}) > 1]
    labelled = [f"{', '.join(f'{each.path.name} ({each.label})' for each in photos[:3])}" for photos in twice]
    return (
        (notes if together else [])
        + [f"the same photo has several labels: {text}" for text in labelled[:MOST_NOTES]]
        + ([f"... and {len(labelled) - MOST_NOTES} such photos more"] if len(labelled) > MOST_NOTES else [])
    )


def _candidates(photos: Sequence[Photo]) -> list[list[int]]:
    buckets: dict[tuple[str, str], list[int]] = defaultdict(list)
    for index, photo in enumerate(photos):
        buckets["content", photo.sha256].append(index)
        if photo.group:
            buckets["group", photo.group].append(index)
    return list(buckets.values())


def _near_candidates(photos: Sequence[Photo]) -> list[list[int]]:
    """Two hashes that differ in at most 15 bits agree in at least one of 16 bands, so only those are compared."""
    buckets: dict[tuple[int, int], list[int]] = defaultdict(list)
    mask = (1 << BAND_BITS) - 1
    for index, photo in enumerate(photos):
        for band in range(BANDS):
            buckets[band, photo.perceptual_hash >> (band * BAND_BITS) & mask].append(index)
    return [bucket for bucket in buckets.values() if len(bucket) > 1]


def _join_near(parents: list[int], photos: Sequence[Photo], bucket: list[int]) -> None:
    for position, first in enumerate(bucket):
        for second in bucket[position + 1 :]:
            if _distance(photos[first], photos[second]) <= NEAR_BITS:
                _join(parents, first, second)


def _distance(first: Photo, second: Photo) -> int:
    return (first.perceptual_hash ^ second.perceptual_hash).bit_count()


def _root(parents: list[int], index: int) -> int:
    while parents[index] != index:
        parents[index] = parents[parents[index]]
        index = parents[index]
    return index


def _join(parents: list[int], first: int, second: int) -> None:
    parents[_root(parents, first)] = _root(parents, second)
