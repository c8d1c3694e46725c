"""Importer: photos of a class each, from a `labels.csv` with columns `id` and `label`; photos lie in images/<id>.*"""

from __future__ import annotations

import csv
import io
from pathlib import Path

from training.datasets.counts import ID_COLUMN, candidates
from training.datasets.listing import Entry, Listing, listing_of, read_text
from training.datasets.photo_set import DatasetError

LABEL_COLUMN = "label"


def read_table(labels: Path) -> Listing:
    """Ids are strings. Raises: DatasetError, for a file without the columns, or when no line names a photo."""
    reader = csv.DictReader(io.StringIO(read_text(labels), newline=""))
    missing = {ID_COLUMN, LABEL_COLUMN} - set(reader.fieldnames or [])
    if missing:
        raise DatasetError(f"{labels} has no column {' and no column '.join(sorted(missing))}")
    entries = []
    for row in reader:
        name = (row[ID_COLUMN] or "").strip()
        path = next((path for path in candidates(labels.parent, name) if path.is_file()), None)
        entries.append(
            Entry(f"{labels.name} line {reader.line_num}", row[LABEL_COLUMN] or "", f"images/{name}.*", path)
        )
    return listing_of(labels, entries)
