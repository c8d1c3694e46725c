"""Importer: the Amazon Bin Image Dataset's own metadata, metadata/<id>.json beside images/<id>.jpg.

    {"BIN_FCSKU_DATA": {"B00A": {"asin": "B00A", "name": "...", "quantity": 2, ...}}, "EXPECTED_QUANTITY": 2}

Ids are file names, so strings. A file whose quantities do not add up to EXPECTED_QUANTITY is left out and named: which
of the two the photo shows is not known.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from training.datasets.counts import candidates, unnamed
from training.datasets.listing import Entry, Listing, listing_of, read_json
from training.datasets.photo_set import DatasetError, Skipped

ITEMS, EXPECTED = "BIN_FCSKU_DATA", "EXPECTED_QUANTITY"
FOLDER = "metadata"


def read_bin_metadata(folder: Path) -> Listing:
    """`folder` holds the .json files, or a folder `metadata` that does. Raises: DatasetError, when none can be used."""
    place = folder / FOLDER if (folder / FOLDER).is_dir() else folder
    files = sorted(place.glob("*.json"))
    if not files:
        raise DatasetError(f"{place} holds no .json file")
    listing = listing_of(place, [_entry(path) for path in files])
    images = next((each for each in (place, place.parent) if (each / "images").is_dir()), None)
    return listing.with_notes(unnamed(images, listing.photos) if images else ())


def _entry(path: Path) -> Entry | Skipped:
    try:
        count = expected_quantity(read_json(path))
    except DatasetError as error:
        return Skipped(path.name, str(error))
    folders = [path.parent, path.parent.parent]
    photos = [photo for folder in folders for photo in candidates(folder, path.stem)]
    photo = next((photo for photo in photos if photo.is_file()), None)
    return Entry(path.name, str(count), f"images/{path.stem}.*", photo)


def expected_quantity(document: Any) -> int:
    """Raises: DatasetError, when it is not there, is no count, or is not what the items add up to."""
    expected = document.get(EXPECTED) if isinstance(document, dict) else None
    if not _is_count(expected):
        raise DatasetError(f"{EXPECTED} is {expected!r}, which is no count")
    try:
        quantities = [item["quantity"] for item in document[ITEMS].values()]
    except (KeyError, TypeError, AttributeError) as error:
        raise DatasetError(f"{ITEMS} cannot be read ({error!r})") from error
    if not all(_is_count(quantity) for quantity in quantities):
        raise DatasetError(f"{ITEMS} holds a quantity that is no count")
    if sum(quantities) != expected:
        raise DatasetError(f"the items add up to {sum(quantities)}, {EXPECTED} says {expected}")
    return int(expected)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
