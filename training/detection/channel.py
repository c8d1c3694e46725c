"""Photos with boxes, read from a SageMaker augmented manifest: Ground Truth's, a hand-made one, or our channel's.

    {"source-ref": "images/7.png", "coins": {"image_size": [{"width": 96, "height": 96, "depth": 3}],
     "annotations": [{"class_id": 0, "left": 15, "top": 14, "width": 11, "height": 12}]},
     "coins-metadata": {"class-map": {"0": "one"}, ...}}

Boxes are in pixels of the photo as it is on disk; a relative `source-ref` is read from the manifest's own folder.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from PIL import Image

from device.runtime.fit import fit_image, place
from device.runtime.image import open_image
from device.runtime.image_errors import InvalidImageError
from device.runtime.manifest_types import InputSpec
from training.datasets.channel import BOXED_MANIFEST_NAMES, MANIFEST_NAME, place_photo
from training.datasets.groups import group_column, group_note
from training.datasets.listing import find_photo, json_lines
from training.datasets.photo_set import DatasetError, ImportReport, Skipped
from training.detection.frames import Frame, make_frame

SEQUENCE = "sequence"
LEAST_BOX_SIDE_PX = 2
MOST_CLASSES = 10_000
Row = tuple[float, float, float, float, float]


@dataclass(frozen=True)
class BoxedPhoto:
    """size_px: width, height. rows: class, left, top, right, bottom in 0-1 of the photo.

    group: the site or camera that its line names. sequence and place come from names such as `desk_12`, unless the line
    names the sequence; frames without numbers keep the order of their lines.
    """

    path: Path
    size_px: tuple[int, int]
    rows: tuple[Row, ...]
    class_names: Mapping[int, str]
    group: str = ""
    named_sequence: str = ""

    @property
    def sequence(self) -> str:
        return self.named_sequence or _numbered(self.path)[0]

    @property
    def place(self) -> int:
        return _numbered(self.path)[1]


@dataclass(frozen=True)
class BoxedSet:
    labels: tuple[str, ...]
    photos: tuple[BoxedPhoto, ...]
    report: ImportReport


def _numbered(path: Path) -> tuple[str, int]:
    match = re.fullmatch(r"(.*?)[-_. ]?(\d+)", path.stem)
    return (match[1], int(match[2])) if match else (path.stem, 0)


def read_boxed_photos(source: Path, labels: Sequence[str] | None = None) -> BoxedSet:
    """`source` is a manifest or a folder with one. Classes are named by `labels`, else by the class map, else numbered.

    Raises: DatasetError, for a line that is not JSON or has no boxes (its number is named), or a class without a name.
    """
    manifest = find_manifest(source)
    photos: list[BoxedPhoto] = []
    skipped: list[Skipped] = []
    notes: list[str] = []
    for number, document in json_lines(manifest):
        failed = _labelling_failed(document)
        if failed:
            skipped.append(Skipped(f"{manifest.name} line {number}", f"labelling failed: {failed}"))
            continue
        photo, left_out = _read_photo(document, manifest, number)
        photos.append(photo)
        skipped += left_out
        notes += group_note(_group_attribute(document))
    if not photos:
        raise DatasetError(f"{manifest} names no photo")
    photos = [_in_order_of(labels, photo) for photo in photos] if labels else photos
    report = ImportReport(str(manifest), len(photos), tuple(skipped), tuple(dict.fromkeys(notes)))
    return BoxedSet(_labels(photos, labels), tuple(photos), report)


def _in_order_of(labels: Sequence[str], photo: BoxedPhoto) -> BoxedPhoto:
    """Classes by their names, where the map has names: another set may number them otherwise.

    Raises: DatasetError, for a class that is not among the labels.
    """
    names = photo.class_names
    if all(name == str(index) for index, name in names.items()):
        return photo
    strangers = sorted({names.get(int(row[0]), str(int(row[0]))) for row in photo.rows} - set(labels))
    if strangers:
        raise DatasetError(f"{photo.path.name}: class {strangers[0]} has no name among {', '.join(labels)}")
    rows = tuple((float(labels.index(names[int(row[0])])), *row[1:]) for row in photo.rows)
    return replace(photo, rows=rows, class_names=dict(enumerate(labels)))


def find_manifest(source: Path) -> Path:
    candidates = [source] if source.is_file() else [source / name for name in BOXED_MANIFEST_NAMES]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    raise DatasetError(f"{source} is no manifest and holds none of {', '.join(BOXED_MANIFEST_NAMES)}")


def _labelling_failed(document: Mapping[str, Any]) -> str:
    told = [value for key, value in document.items() if key.endswith("-metadata") and isinstance(value, dict)]
    return next((str(each["failure-reason"]) for each in told if "failure-reason" in each), "")


def _photo_path(manifest: Path, reference: str) -> Path:
    """Of an address that lies nowhere here, where it is looked for in the end."""
    name = PurePosixPath(reference).name if "://" in reference else reference
    return find_photo(manifest.parent, reference) or manifest.parent / name


def _read_photo(document: Mapping[str, Any], manifest: Path, number: int) -> tuple[BoxedPhoto, list[Skipped]]:
    path = _photo_path(manifest, document["source-ref"])
    attribute = next(
        (key for key, value in document.items() if isinstance(value, dict) and "annotations" in value), None
    )
    if attribute is None:
        raise DatasetError(f"{manifest} line {number}: no attribute holds annotations")
    rows, skipped = [], []
    try:
        size = document[attribute]["image_size"][0]
        width_px, height_px = int(size["width"]), int(size["height"])
        for annotation in document[attribute]["annotations"]:
            row = clipped_row(annotation, width_px, height_px)
            if row is None:
                skipped.append(Skipped(f"{path.name} (line {number})", f"a box outside the photo: {annotation}"))
            else:
                rows.append(row)
        names = document.get(f"{attribute}-metadata", {}).get("class-map", {})
        class_names = {int(key): str(name).strip() for key, name in names.items()}
    except (AttributeError, KeyError, IndexError, TypeError, ValueError, ArithmeticError) as error:
        raise DatasetError(f"{manifest} line {number}: boxes cannot be read ({error!r})") from error
    group = _group_attribute(document)
    belongs = _told(document, group) if group else "", _told(document, SEQUENCE)
    return BoxedPhoto(path, (width_px, height_px), tuple(rows), class_names, *belongs), skipped


def _group_attribute(document: Mapping[str, Any]) -> str | None:
    return group_column(key for key in document if key != SEQUENCE and _told(document, key))


def _told(document: Mapping[str, Any], attribute: str) -> str:
    """A number or a text; what else has this name, the boxes for instance, says no group."""
    value = document.get(attribute, "")
    return str(value).strip() if isinstance(value, int | str) else ""


def clipped_row(annotation: Mapping[str, Any], width_px: int, height_px: int) -> Row | None:
    """The part of the box inside the photo; None where less than two pixels of it are.

    Raises: KeyError, TypeError, ValueError, OverflowError, for what is no box.
    """
    left, top = float(annotation["left"]), float(annotation["top"])
    right, bottom = left + float(annotation["width"]), top + float(annotation["height"])
    if not math.isfinite(left + top + right + bottom):
        return None
    left, right = max(0.0, left), min(float(width_px), right)
    top, bottom = max(0.0, top), min(float(height_px), bottom)
    if right - left < LEAST_BOX_SIDE_PX or bottom - top < LEAST_BOX_SIDE_PX:
        return None
    class_id = int(annotation["class_id"])
    if not 0 <= class_id < MOST_CLASSES:
        raise ValueError(f"class {class_id} is none")
    return float(class_id), left / width_px, top / height_px, right / width_px, bottom / height_px


def _labels(photos: Sequence[BoxedPhoto], labels: Sequence[str] | None) -> tuple[str, ...]:
    named: dict[int, str] = {}
    for photo in photos:
        for index, name in photo.class_names.items():
            if named.setdefault(index, name) != name:
                raise DatasetError(f"class {index} is called {named[index]} and {name}: the class maps disagree")
    classes = {int(row[0]) for photo in photos for row in photo.rows} | set(named)
    count = max(classes, default=-1) + 1
    if labels is not None:
        named = dict(enumerate(labels))
    if named and count > len(named):
        raise DatasetError(f"class {count - 1} has no name among {', '.join(named.values())}")
    return tuple(named.get(index, str(index)) for index in range(max(count, len(named))))


def require_every_class(labels: Sequence[str], photos: Sequence[BoxedPhoto], channel: str) -> None:
    """Raises: DatasetError, for a class that no box is of."""
    drawn = {int(row[0]) for photo in photos for row in photo.rows}
    missing = [label for index, label in enumerate(labels) if index not in drawn]
    if missing or not labels:
        raise DatasetError(f"the channel {channel} has no box of {', '.join(missing[:8]) or 'any class'}")


def write_boxed_channel(photos: Sequence[BoxedPhoto], labels: Sequence[str], folder: Path) -> Path:
    """The photos and their boxes as a training channel reads them; photos are linked where the file system can."""
    (folder / "photos").mkdir(parents=True)
    lines, taken = [], set[str]()
    for photo in photos:
        name = _free_name(photo.path, taken)
        place_photo(photo.path, folder / name)
        lines.append(json.dumps(_line(photo, labels, name)))
    manifest = folder / MANIFEST_NAME
    manifest.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return manifest


def _free_name(path: Path, taken: set[str]) -> str:
    """The photo's own name, which says its sequence and place; a second one of that name gets a folder of its own."""
    name, copies = f"photos/{path.name}", 1
    while name in taken:
        copies += 1
        name = f"photos/{copies}/{path.name}"
    taken.add(name)
    return name


def _line(photo: BoxedPhoto, labels: Sequence[str], name: str) -> dict[str, Any]:
    width_px, height_px = photo.size_px
    annotations = [
        {
            "class_id": int(row[0]),
            "left": row[1] * width_px,
            "top": row[2] * height_px,
            "width": (row[3] - row[1]) * width_px,
            "height": (row[4] - row[2]) * height_px,
        }
        for row in photo.rows
    ]
    size = {"width": width_px, "height": height_px, "depth": 3}
    metadata = {"class-map": dict(enumerate(labels)), "type": "groundtruth/object-detection", "human-annotated": "yes"}
    belongs = {"group": photo.group, SEQUENCE: photo.named_sequence}
    return {
        "source-ref": name,
        **{key: value for key, value in belongs.items() if value},
        "boxes": {"image_size": [size], "annotations": annotations},
        "boxes-metadata": metadata,
    }


def load_frames(photos: Sequence[BoxedPhoto], spec: InputSpec) -> list[Frame]:
    """Fitted as the runtime will fit them, boxes moved along.

    Raises: DatasetError, naming the photo that cannot be read.
    """
    return [_load_frame(photo, spec) for photo in photos]


def _load_frame(photo: BoxedPhoto, spec: InputSpec) -> Frame:
    try:
        image = open_image(photo.path.read_bytes(), spec)
    except (InvalidImageError, OSError) as error:
        raise DatasetError(f"{photo.path}: {error}") from error
    rows = [(row[0], *_moved(row, image, spec)) for row in photo.rows]
    return make_frame(np.asarray(fit_image(image, spec), dtype=np.uint8), rows)


def _moved(row: Row, image: Image.Image, spec: InputSpec) -> tuple[float, float, float, float]:
    left, top, right, bottom = place(image.size, spec).to_input(row[1:])
    return max(0.0, left), max(0.0, top), min(1.0, right), min(1.0, bottom)
