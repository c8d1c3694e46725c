"""Importer: YOLO's folders, images/**/<name>.jpg with labels/**/<name>.txt, or train/images/ with train/labels/ and so
on: a box a line, `class x y width height` with the centre and the size in 0-1 of the photo. Classes are named in
data.yaml, classes.txt or obj.names, else numbered.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from training.datasets.boxed import DrawnBox, DrawnPhoto, boxed_set, shown_size
from training.datasets.listing import read_text
from training.datasets.photo_set import DatasetError, Skipped
from training.datasets.reading import PHOTO_SUFFIXES
from training.detection.channel import MOST_CLASSES, BoxedSet

NAME_FILES = ("classes.txt", "obj.names")
CONFIGURATIONS = ("data.yaml", "data.yml", "dataset.yaml")


def is_yolo(folder: Path) -> bool:
    has_names = any((folder / name).is_file() for name in CONFIGURATIONS)
    images = image_folders(folder)
    return bool(images) and (has_names or any(next(_labels(each).rglob("*.txt"), None) for each in images))


def image_folders(folder: Path) -> list[Path]:
    """images/, or train/images/, valid/images/ and so on."""
    return [path for path in (folder / "images", *sorted(folder.glob("*/images"))) if path.is_dir()]


def _labels(images: Path) -> Path:
    return images.with_name("labels")


def read_yolo(folder: Path, labels: Sequence[str] | None = None) -> BoxedSet:
    """A photo without a text file has no objects; text files without a photo are named. Raises: DatasetError."""
    names = class_names(folder) or tuple(labels or ())
    files = [(path, _text_file(path, images)) for images in image_folders(folder) for path in _files(images)]
    drawn: list[DrawnPhoto] = []
    skipped: list[Skipped] = []
    for photo, text in files:
        try:
            size_px = _size(photo)
        except DatasetError as error:
            skipped.append(Skipped(photo.name, str(error)))
            continue
        boxes, faults = _boxes(text, size_px, names)
        drawn.append(DrawnPhoto(photo, size_px, tuple(boxes)))
        skipped += faults
    skipped += _orphans(folder, {text for _, text in files})
    bare = sum(not text.is_file() for _, text in files)
    notes = [f"{bare} photos have no text file: they are read as photos without objects"] if bare else []
    return boxed_set(folder, drawn, skipped, names or _numbers(drawn), labels, notes)


def _files(images: Path) -> list[Path]:
    return sorted(path for path in images.rglob("*") if path.is_file() and not path.name.startswith("."))


def _size(photo: Path) -> tuple[int, int]:
    if photo.suffix.lower() not in PHOTO_SUFFIXES:
        raise DatasetError("not a .jpg, .png or .webp file")
    return shown_size(photo)


def _orphans(folder: Path, read: set[Path]) -> list[Skipped]:
    texts = sorted(path for images in image_folders(folder) for path in _labels(images).rglob("*.txt"))
    left = [path for path in texts if path not in read and path.stem != "classes"]
    return [Skipped(path.name, "there is no photo of this name") for path in left]


def _text_file(photo: Path, images: Path) -> Path:
    return (_labels(images) / photo.relative_to(images)).with_suffix(".txt")


def _boxes(text: Path, size_px: tuple[int, int], names: Sequence[str]) -> tuple[list[DrawnBox], list[Skipped]]:
    boxes, faults = [], []
    lines = read_text(text).splitlines() if text.is_file() else []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        box = _box(line, size_px, names)
        if isinstance(box, DrawnBox):
            boxes.append(box)
        else:
            faults.append(Skipped(f"{text.name} line {number}", box))
    return boxes, faults


def _box(line: str, size_px: tuple[int, int], names: Sequence[str]) -> DrawnBox | str:
    """The box, or why there is none."""
    fields = line.split()
    try:
        index, x, y, width, height = int(fields[0]), *(float(field) for field in fields[1:])
    except ValueError:
        return f"{line.strip()[:60]!r} is not a class and four numbers"
    if not 0 <= index < (len(names) or MOST_CLASSES):
        return f"class {index} has no name among {', '.join(names) or 'those that are numbered'}"
    left, top = (x - width / 2) * size_px[0], (y - height / 2) * size_px[1]
    return DrawnBox(names[index] if names else str(index), left, top, width * size_px[0], height * size_px[1])


def _numbers(drawn: Sequence[DrawnPhoto]) -> tuple[str, ...]:
    highest = max((int(box.label) for photo in drawn for box in photo.boxes), default=-1)
    return tuple(str(index) for index in range(highest + 1))


def class_names(folder: Path) -> tuple[str, ...]:
    for name in NAME_FILES:
        for path in (folder / name, folder / "labels" / name):
            if path.is_file():
                return tuple(line for line in read_text(path).split("\n") if line.strip())
    for name in CONFIGURATIONS:
        if (folder / name).is_file():
            return _names_of(read_text(folder / name), folder / name)
    return ()


def _names_of(text: str, path: Path) -> tuple[str, ...]:
    """`names: [a, b]`, a list or numbered lines below `names:`; all that such files have of YAML."""
    match = re.search(r"^names:[ \t]*(\[[^\]]*\])?(.*(?:\n[ \t-].*)*)", text, re.MULTILINE)
    if not match:
        raise DatasetError(f"{path} has no names")
    if match[1]:
        return tuple(_unquoted(part) for part in match[1].strip("[]").split(",") if part.strip())
    lines = [line.strip().removeprefix("-").strip() for line in match[2].splitlines() if line.strip()]
    return tuple(_unquoted(re.sub(r"^\d+:", "", line)) for line in lines)


def _unquoted(text: str) -> str:
    return text.strip().strip("\"'")
