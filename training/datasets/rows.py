"""The lines of a `labels.csv`: an id, what is said of the photo, and where a column says it the photo's group."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from training.datasets.groups import group_column, group_note
from training.datasets.listing import read_text
from training.datasets.photo_set import DatasetError

ID_COLUMN = "id"


@dataclass(frozen=True)
class Row:
    """`name`: of the line, for people. `id`: text, for `10` and `00010` are two photos."""

    name: str
    id: str
    value: str
    group: str = ""


def read_rows(labels: Path, column: str) -> tuple[list[Row], Sequence[str]]:
    """The lines with what `column` says, and notes on how they are read.

    Raises: DatasetError, for a file without the columns, or one that is no table.
    """
    reader = csv.DictReader(io.StringIO(read_text(labels), newline=""))
    try:
        names = reader.fieldnames or []
        missing = {ID_COLUMN, column} - set(names)
        if missing:
            raise DatasetError(f"{labels} has no column {' and no column '.join(sorted(missing))}")
        group = group_column(name for name in names if name != column)
        rows = [
            Row(
                f"{labels.name} line {reader.line_num}",
                (row[ID_COLUMN] or "").strip(),
                row[column] or "",
                (row[group] or "").strip() if group else "",
            )
            for row in reader
        ]
    except csv.Error as error:
        raise DatasetError(f"{labels} line {reader.line_num + 1}: {error}") from error
    return rows, group_note(group)
