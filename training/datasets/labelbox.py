"""Importer: Labelbox's v1 JSON export, with boxes (`Label.objects`) or a class a photo (`Label.classifications`).

A photo is looked for beside the export, under its External ID or, where that is null, under the name at the end of the
address in `Labeled Data`. Nothing is downloaded: such addresses expire.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from training.datasets.boxed import DrawnBox, DrawnPhoto, as_classes, boxed_set, shown_size
from training.datasets.listing import Entry, Listing, find_photo, listing_of, read_json
from training.datasets.photo_set import DatasetError, Skipped
from training.detection.channel import BoxedSet

SKIPPED = "Skip"  # in older exports, in the label's place


def is_labelbox(document: Any) -> bool:
    """A list of rows; an export of one photo is also seen as that row alone."""
    rows = document if isinstance(document, list) else [document]
    return bool(rows) and all(isinstance(row, dict) and "Labeled Data" in row for row in rows)


def read_labelbox_boxes(path: Path, labels: Sequence[str] | None = None) -> BoxedSet:
    """Raises: DatasetError."""
    drawn: list[DrawnPhoto] = []
    skipped: list[Skipped] = []
    for name, row in _rows(path):
        photo = _photo(row, path)
        if isinstance(photo, Skipped):
            skipped.append(Skipped(name, photo.reason))
            continue
        try:
            boxes, others = _boxes(row["Label"], name)
            drawn.append(DrawnPhoto(photo, shown_size(photo), tuple(boxes)))
            skipped += others
        except DatasetError as error:
            skipped.append(Skipped(name, str(error)))
    return boxed_set(path, drawn, skipped, labels=labels)


def read_labelbox_classes(path: Path) -> Listing:
    """The first classification of each photo; an export with boxes alone gives photos whose boxes are of one class."""
    rows = list(_rows(path))
    if not any(_classifications(row) for _, row in rows):
        return as_classes(read_labelbox_boxes(path))
    several = sum(len(_classifications(row)) > 1 for _, row in rows)
    notes = [f"{several} photos have several classifications: the first that was answered counts"] if several else []
    return listing_of(path, [_entry(name, row, path) for name, row in rows], notes)


def _classifications(row: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    label = row.get("Label")
    found = label.get("classifications") if isinstance(label, dict) else None
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _rows(path: Path) -> list[tuple[str, Mapping[str, Any]]]:
    document = read_json(path)
    if not is_labelbox(document):
        raise DatasetError(f"{path} is no Labelbox v1 export: rows with 'Labeled Data'")
    rows = document if isinstance(document, list) else [document]
    return [(f"{path.name} row {number} ({row.get('ID', '?')})", row) for number, row in enumerate(rows, 1)]


def _photo(row: Mapping[str, Any], path: Path) -> Path | Skipped:
    if row.get("Skipped") or row.get("Label") == SKIPPED:
        return Skipped("", "it was skipped in Labelbox")
    if not row.get("Label") or not isinstance(row["Label"], dict):
        return Skipped("", "it has no label")
    reference = str(row.get("External ID") or row["Labeled Data"]).strip()
    return find_photo(path.parent, reference) or Skipped("", f"there is no photo {reference.partition('?')[0]}")


def _boxes(label: Mapping[str, Any], name: str) -> tuple[list[DrawnBox], list[Skipped]]:
    boxes, others = [], []
    objects = label.get("objects") or []
    if not isinstance(objects, list) or not all(isinstance(each, dict) for each in objects):
        raise DatasetError("its objects cannot be read")
    for each in objects:
        box = each.get("bbox")
        if box is None:
            others.append(Skipped(name, f"{each.get('title', 'an object')} is no box"))
            continue
        try:
            sides = [float(box[side]) for side in ("left", "top", "width", "height")]
        except (KeyError, TypeError, ValueError) as error:
            raise DatasetError(f"a box cannot be read ({error!r})") from error
        boxes.append(DrawnBox(str(each.get("title") or each.get("value") or ""), *sides))
    return boxes, others


def _entry(name: str, row: Mapping[str, Any], path: Path) -> Entry | Skipped:
    photo = _photo(row, path)
    if isinstance(photo, Skipped):
        return Skipped(name, photo.reason)
    answers = [each.get("answer") for each in _classifications(row)]
    answer = next((each for each in answers if each), "")
    text = answer.get("title") or answer.get("value") if isinstance(answer, dict) else answer
    return (
        Entry(name, str(text), str(photo), photo) if isinstance(text, str) else Skipped(name, "it has several answers")
    )
