"""Importer: photos of a class each, from a `labels.csv` with columns `id` and `label`; photos lie in images/<id>.*"""

from __future__ import annotations

from pathlib import Path

from training.datasets.counts import candidates, unnamed
from training.datasets.listing import Entry, Listing, listing_of
from training.datasets.rows import Row, read_rows

LABEL_COLUMN = "label"


def read_table(labels: Path) -> Listing:
    """Ids are strings. Raises: DatasetError, for a file without the columns, or when no line names a photo."""
    rows, notes = read_rows(labels, LABEL_COLUMN)
    listing = listing_of(labels, [_entry(row, labels) for row in rows], notes)
    return listing.with_notes(unnamed(labels.parent, listing.photos))


def _entry(row: Row, labels: Path) -> Entry:
    path = next((path for path in candidates(labels.parent, row.id) if path.is_file()), None)
    return Entry(row.name, row.value, f"images/{row.id[:80]}.*", path, row.group)
