"""Importer: COCO's object detection form, one JSON file with `images`, `annotations` and `categories`.

A `bbox` is x, y, width and height in pixels. Crowds, which are areas and not objects, are left out and named.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from training.datasets.boxed import DrawnBox, DrawnPhoto, boxed_set, shown_size
from training.datasets.listing import find_photo, read_json
from training.datasets.photo_set import DatasetError, Skipped
from training.detection.channel import BoxedSet

PARTS = ("images", "annotations", "categories")


def is_coco(document: Any) -> bool:
    return isinstance(document, dict) and all(isinstance(document.get(part), list) for part in PARTS)


def read_coco(path: Path, labels: Sequence[str] | None = None) -> BoxedSet:
    """Photos lie beside the file, in `images` there, or beside the folder that holds it.

    Raises: DatasetError.
    """
    document = read_json(path)
    if not is_coco(document):
        raise DatasetError(f"{path} has no lists {', '.join(PARTS)}")
    try:
        names = {each["id"]: str(each["name"]) for each in sorted(document["categories"], key=lambda each: each["id"])}
        photos, repeated = _images(document["images"], path.name)
        boxes, skipped = _boxes(document["annotations"], names, set(photos), path.name)
        drawn, missing = _drawn(photos, boxes, path)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DatasetError(f"{path} cannot be read ({error!r})") from error
    return boxed_set(path, drawn, [*repeated, *skipped, *missing], tuple(names.values()), labels)


def _images(documents: Sequence[Mapping[str, Any]], source: str) -> tuple[dict[Any, Mapping[str, Any]], list[Skipped]]:
    images: dict[Any, Mapping[str, Any]] = {}
    skipped = []
    for each in documents:
        if images.setdefault(each["id"], each) is not each:
            skipped.append(Skipped(f"{source} image {each['id']}", f"{each['file_name']} has an id that is taken"))
    return images, skipped


def _boxes(
    annotations: Sequence[Mapping[str, Any]], names: Mapping[Any, str], photos: set[Any], source: str
) -> tuple[dict[Any, list[DrawnBox]], list[Skipped]]:
    boxes: dict[Any, list[DrawnBox]] = defaultdict(list)
    skipped = []
    for index, each in enumerate(annotations):
        reason = _fault(each, names, photos)
        if reason:
            skipped.append(Skipped(f"{source} annotation {each.get('id', index)}", reason))
        else:
            left, top, width, height = (float(value) for value in each["bbox"])
            boxes[each["image_id"]].append(DrawnBox(names[each["category_id"]], left, top, width, height))
    return boxes, skipped


def _fault(annotation: Mapping[str, Any], names: Mapping[Any, str], photos: set[Any]) -> str:
    if annotation.get("iscrowd"):
        return "a crowd: it is an area, not an object"
    if annotation.get("image_id") not in photos:
        return f"there is no image {annotation.get('image_id')}"
    if annotation.get("category_id") not in names:
        return f"there is no category {annotation.get('category_id')}"
    return "" if _is_box(annotation.get("bbox")) else "it has no box of four numbers"


def _is_box(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 4 and all(isinstance(each, int | float) for each in value)


def _drawn(
    photos: Mapping[Any, Mapping[str, Any]], boxes: Mapping[Any, list[DrawnBox]], path: Path
) -> tuple[list[DrawnPhoto], list[Skipped]]:
    drawn, skipped = [], []
    for id_, each in photos.items():
        name = str(each["file_name"])
        photo = find_photo(path.parent, name) or find_photo(path.parent.parent, name)
        if photo is None:
            skipped.append(Skipped(f"{path.name} image {id_}", f"there is no photo {name}"))
        else:
            try:
                drawn.append(DrawnPhoto(photo, _size(each, photo), tuple(boxes.get(id_, ()))))
            except DatasetError as error:
                skipped.append(Skipped(f"{path.name} image {id_}", str(error)))
    return drawn, skipped


def _size(image: Mapping[str, Any], photo: Path) -> tuple[int, int]:
    """Of the photo, as the file says, else the photo's own. Raises: DatasetError."""
    width, height = int(image.get("width") or 0), int(image.get("height") or 0)
    return (width, height) if width > 0 and height > 0 else shown_size(photo)
