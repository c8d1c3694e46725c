"""Photos with labels in whatever form they come: which form it is, and its importer.

A folder of class folders, labels.csv, .lst, augmented manifest, COCO, Labelbox v1, YOLO, Amazon Bin Image metadata; a
folder may also hold one of these files.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from enum import Enum
from pathlib import Path

from training.datasets.bin_metadata import FOLDER, ITEMS, read_bin_metadata
from training.datasets.boxed import as_classes, as_counts, readable_only, with_hints
from training.datasets.channel import BOXED_MANIFEST_NAMES, ChannelPhoto
from training.datasets.classified_manifest import read_classified_manifest
from training.datasets.coco import is_coco, read_coco
from training.datasets.counts import COUNT_COLUMN, read_counts
from training.datasets.folder import list_folder
from training.datasets.labelbox import is_labelbox, read_labelbox_boxes, read_labelbox_classes
from training.datasets.labels import is_count
from training.datasets.listing import Listing, json_lines, photo_set, read_json, read_text
from training.datasets.lst import read_lst
from training.datasets.photo_set import DatasetError, PhotoSet, Skipped
from training.datasets.table import read_table
from training.datasets.yolo import CONFIGURATIONS, is_yolo, read_yolo
from training.detection.channel import BoxedSet, read_boxed_photos

TABLE = "labels.csv"


class Form(Enum):
    FOLDERS = "a folder of photos for each class"
    TABLE = "labels.csv"
    LST = ".lst"
    MANIFEST = "augmented manifest"
    COCO = "COCO"
    LABELBOX = "Labelbox v1 export"
    YOLO = "YOLO"
    BIN_METADATA = "Amazon Bin Image metadata"


BOXED: Mapping[Form, Callable[[Path, Sequence[str] | None], BoxedSet]] = {
    Form.MANIFEST: read_boxed_photos,
    Form.COCO: read_coco,
    Form.LABELBOX: read_labelbox_boxes,
    Form.YOLO: read_yolo,
}


def import_any(source: Path, task: str) -> PhotoSet | BoxedSet:
    """What `task` trains on. Raises: DatasetError, which says what was looked for."""
    return import_boxes(source) if task == "detect" else import_photos(source, task)


def import_photos(source: Path, task: str) -> PhotoSet:
    return photo_set(list_photos(source, task))


def import_boxes(source: Path, labels: Sequence[str] | None = None) -> BoxedSet:
    """`labels`: the classes of the model that is evaluated."""
    form, place = find_form(source)
    if form not in BOXED:
        known = ", ".join(each.value for each in BOXED)
        raise DatasetError(f"{source} is {form.value}, which has no boxes; a detector needs {known}")
    return with_hints(readable_only(BOXED[form](place, labels)))


def list_photos(source: Path, task: str, labels: Sequence[str] | None = None) -> Listing:
    """Photos with their labels, none of them opened; of a count, the labels are numbers.

    `labels` name the classes where the file has numbers only. Raises: DatasetError.
    """
    form, place = find_form(source)
    listing = _listing(form, place, task, labels)
    return _counts_only(listing) if task == "count" else listing


def _listing(form: Form, place: Path, task: str, labels: Sequence[str] | None) -> Listing:
    if form is Form.FOLDERS:
        return _count_folders(place) if task == "count" else list_folder(place)
    if form is Form.LST:
        return read_lst(place, labels)
    if form is Form.BIN_METADATA:
        return read_bin_metadata(place)
    if form is Form.TABLE:
        return _table(place, task)
    if form is Form.LABELBOX and task == "classify":
        return read_labelbox_classes(place)
    if form is Form.MANIFEST and not _has_boxes(place):
        return read_classified_manifest(place, labels)
    boxed = with_hints(readable_only(BOXED[form](place, None)))
    return as_counts(boxed) if task == "count" else as_classes(boxed)


def _count_folders(folder: Path) -> Listing:
    try:
        return list_folder(folder)
    except DatasetError as error:
        raise DatasetError(f"{error}; counting needs a {TABLE}, or folders named 0, 1, 2 and so on") from error


def _table(path: Path, task: str) -> Listing:
    header = read_text(path).partition("\n")[0]
    if task == "classify" and COUNT_COLUMN not in header:
        return read_table(path)
    return read_counts(path)


def _counts_only(listing: Listing) -> Listing:
    photos, skipped = list[ChannelPhoto](), list(listing.skipped)
    for photo in listing.photos:
        if is_count(photo.label):
            photos.append(replace(photo, label=str(int(photo.label))))
        else:
            skipped.append(Skipped(str(photo.path), f"{photo.label!r} is no count"))
    if not photos:
        raise DatasetError(f"{listing.source} has no photo with a count")
    return Listing(listing.source, tuple(photos), tuple(skipped), listing.notes)


def _has_boxes(manifest: Path) -> bool:
    _, first = next(json_lines(manifest), (0, {}))
    return any(isinstance(value, dict) and "annotations" in value for value in first.values())


def find_form(source: Path) -> tuple[Form, Path]:
    """The form and the file or folder its importer takes. Raises: DatasetError."""
    if source.is_file():
        return _file_form(source), source.parent if source.name in CONFIGURATIONS else source
    if not source.is_dir():
        raise DatasetError(f"there is no {source}")
    for name in (TABLE, *BOXED_MANIFEST_NAMES):
        if (source / name).is_file():
            return _file_form(source / name), source / name
    if is_yolo(source):
        return Form.YOLO, source
    listed = [path for pattern in ("*.lst", "*.manifest", "*.jsonl") for path in sorted(source.glob(pattern))]
    if len(listed) > 1:
        raise DatasetError(f"{source} holds {', '.join(path.name for path in listed)}: name the one that is meant")
    return (_file_form(listed[0]), listed[0]) if listed else _json_form(source)


def _json_form(folder: Path) -> tuple[Form, Path]:
    if (folder / FOLDER).is_dir() and any((folder / FOLDER).glob("*.json")):
        return Form.BIN_METADATA, folder
    for path in sorted([*folder.glob("*.json"), *folder.glob("annotations/*.json")]):
        document = read_json(path)
        if isinstance(document, dict) and ITEMS in document:
            return Form.BIN_METADATA, folder
        if is_coco(document):
            return Form.COCO, path
        if is_labelbox(document):
            return Form.LABELBOX, path
    return Form.FOLDERS, folder


def _file_form(path: Path) -> Form:
    by_suffix = {".csv": Form.TABLE, ".lst": Form.LST, ".manifest": Form.MANIFEST, ".jsonl": Form.MANIFEST}
    if path.suffix.lower() in by_suffix:
        return by_suffix[path.suffix.lower()]
    if path.name in CONFIGURATIONS:
        return Form.YOLO
    if path.suffix.lower() == ".json":
        return _json_file_form(path)
    raise DatasetError(f"{path} is none of {', '.join(form.value for form in Form)}")


def _json_file_form(path: Path) -> Form:
    if _is_json_lines(path):
        return Form.MANIFEST
    document = read_json(path)
    if is_coco(document):
        return Form.COCO
    if is_labelbox(document):
        return Form.LABELBOX
    raise DatasetError(f"{path} is neither a COCO file nor a Labelbox v1 export nor a manifest of a line a photo")


def _is_json_lines(path: Path) -> bool:
    try:
        first = json.loads(read_text(path).strip().partition("\n")[0])
    except ValueError:
        return False
    return isinstance(first, dict) and "source-ref" in first
