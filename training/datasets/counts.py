"""Importer: photos with how many objects each shows, from a `labels.csv` with columns `id` and `expected_quantity`.

Ids are strings (`10` and `00010` are two photos); the photos lie in images/<id>.jpg (or .jpeg, .png, .webp) beside it.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from training.datasets.channel import ChannelPhoto
from training.datasets.photo_set import DatasetError, ImportReport, PhotoSet, Skipped
from training.datasets.reading import PHOTO_SUFFIXES, read_photos

ID_COLUMN, COUNT_COLUMN = "id", "expected_quantity"


@dataclass(frozen=True)
class CountedPhotos:
    photos: tuple[ChannelPhoto, ...]
    skipped: tuple[Skipped, ...]


def read_counts(labels: Path) -> CountedPhotos:
    """Raises: DatasetError, for a file without the columns, or when no line names a photo that is there."""
    photos: list[ChannelPhoto] = []
    skipped: list[Skipped] = []
    for number, (name, count) in _lines(labels):
        path = next((p for p in candidates(labels.parent, name) if p.is_file()), None)
        if not count.isdecimal():
            skipped.append(Skipped(f"{labels.name} line {number}", f"{count!r} is no count"))
        elif path is None:
            skipped.append(Skipped(f"{labels.name} line {number}", f"there is no photo images/{name}.*"))
        else:
            photos.append(ChannelPhoto(path, str(int(count))))
    if not photos:
        raise DatasetError(f"{labels} names no photo that is there")
    return CountedPhotos(tuple(photos), tuple(skipped))


def _lines(labels: Path) -> Iterator[tuple[int, tuple[str, str]]]:
    try:
        with labels.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            missing = {ID_COLUMN, COUNT_COLUMN} - set(reader.fieldnames or [])
            if missing:
                raise DatasetError(f"{labels} has no column {' and no column '.join(sorted(missing))}")
            for row in reader:
                yield reader.line_num, ((row[ID_COLUMN] or "").strip(), (row[COUNT_COLUMN] or "").strip())
    except UnicodeDecodeError as error:
        raise DatasetError(f"{labels} is not UTF-8: {error}") from error


def candidates(folder: Path, name: str) -> list[Path]:
    return [folder / "images" / f"{name}{suffix}" for suffix in PHOTO_SUFFIXES]


def import_counts(labels: Path) -> PhotoSet:
    """Every photo with its count as the label, those beyond any range included."""
    counted = read_counts(labels)
    photos, unreadable = read_photos((photo.path, photo.label) for photo in counted.photos)
    names = tuple(sorted({photo.label for photo in photos}, key=int))
    report = ImportReport(str(labels), len(photos), (*counted.skipped, *unreadable))
    return PhotoSet(names, tuple(photos), report)


def up_to(photos: PhotoSet, highest: int) -> tuple[PhotoSet, PhotoSet]:
    """(the photos with at most `highest` objects, those beyond)."""
    within = tuple(photo for photo in photos.photos if int(photo.label) <= highest)
    beyond = tuple(photo for photo in photos.photos if int(photo.label) > highest)
    labels = tuple(label for label in photos.labels if int(label) <= highest)
    return PhotoSet(labels, within, photos.report), photos.with_photos(beyond)
