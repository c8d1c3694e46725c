"""Importer: photos with how many objects each shows, from a `labels.csv` with columns `id` and `expected_quantity`.

Ids are strings (`10` and `00010` are two photos); the photos lie in images/<id>.jpg (or .jpeg, .png, .webp) beside it.
"""

from collections.abc import Iterable
from pathlib import Path

from training.datasets.channel import ChannelPhoto
from training.datasets.labels import is_count
from training.datasets.listing import Entry, Listing, listing_of, photo_set
from training.datasets.photo_set import PhotoSet, Skipped
from training.datasets.reading import PHOTO_SUFFIXES
from training.datasets.rows import Row, read_rows

COUNT_COLUMN = "expected_quantity"


def read_counts(labels: Path) -> Listing:
    """Raises: DatasetError, for a file without the columns, or when no line names a photo that is there."""
    rows, notes = read_rows(labels, COUNT_COLUMN)
    listing = listing_of(labels, [_entry(row, labels) for row in rows], notes)
    return listing.with_notes(unnamed(labels.parent, listing.photos))


def _entry(row: Row, labels: Path) -> Entry | Skipped:
    count = row.value.strip()
    if not is_count(count):
        return Skipped(row.name, f"{count[:40]!r} is no count")
    path = next((path for path in candidates(labels.parent, row.id) if path.is_file()), None)
    return Entry(row.name, str(int(count)), f"images/{row.id[:80]}.*", path, row.group)


def candidates(folder: Path, name: str) -> list[Path]:
    return [folder / "images" / f"{name}{suffix}" for suffix in PHOTO_SUFFIXES]


def unnamed(folder: Path, photos: Iterable[ChannelPhoto]) -> tuple[str, ...]:
    """A note on the photos in images/ for which there is no label that can be used."""
    found = {path for path in (folder / "images").iterdir() if path.suffix.lower() in PHOTO_SUFFIXES}
    left = len(found - {photo.path for photo in photos})
    return (f"{left} photos in images/ have no label that can be used",) if left else ()


def import_counts(labels: Path) -> PhotoSet:
    """Every photo with its count as the label, those beyond any range included."""
    return photo_set(read_counts(labels))


def up_to(photos: PhotoSet, highest: int) -> tuple[PhotoSet, PhotoSet]:
    """(the photos with at most `highest` objects, those beyond)."""
    within = tuple(photo for photo in photos.photos if int(photo.label) <= highest)
    beyond = tuple(photo for photo in photos.photos if int(photo.label) > highest)
    labels = tuple(label for label in photos.labels if int(label) <= highest)
    return PhotoSet(labels, within, photos.report), photos.with_photos(beyond)
