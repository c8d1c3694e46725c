"""Importer: YOLO's folders, images/**/<name>.jpg with labels/**/<name>.txt: a box a line, `class x y width height` with
the centre and the size in 0-1 of the photo. Classes are named in data.yaml, classes.txt or obj.names, else numbered.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from training.datasets.boxed import DrawnBox, DrawnPhoto, boxed_set, shown_size
from training.datasets.listing import read_text
from training.datasets.photo_set import DatasetError, Skipped
from training.datasets.reading import PHOTO_SUFFIXES
from training.detection.channel import BoxedSet

NAME_FILES = ("classes.txt", "obj.names")
CONFIGURATIONS = ("data.yaml", "data.yml", "dataset.yaml")


def is_yolo(folder: Path) -> bool:
    has_names = any((folder / name).is_file() for name in CONFIGURATIONS)
    return (folder / "images").is_dir() and (has_names or any((folder / "labels").rglob("*.txt")))


def read_yolo(folder: Path, labels: Sequence[str] | None = None) -> BoxedSet:
    """A photo without a text file has no objects; text files without a photo are named. Raises: DatasetError."""
    names = class_names(folder) or tuple(labels or ())
    photos = sorted(path for path in (folder / "images").rglob("*") if path.suffix.lower() in PHOTO_SUFFIXES)
    drawn: list[DrawnPhoto] = []
    skipped: list[Skipped] = []
    for photo in photos:
        try:
            size_px = shown_size(photo)
        except DatasetError as error:
            skipped.append(Skipped(photo.name, str(error)))
            continue
        boxes, faults = _boxes(_text_file(photo, folder), size_px, names)
        drawn.append(DrawnPhoto(photo, size_px, tuple(boxes)))
        skipped += faults
    read = {_text_file(photo, folder) for photo in photos}
    orphans = [
        path for path in sorted((folder / "labels").rglob("*.txt")) if path not in read and path.stem != "classes"
    ]
    skipped += [Skipped(path.name, "there is no photo of this name") for path in orphans]
    return boxed_set(folder, drawn, skipped, names or _numbers(drawn), labels)


def _text_file(photo: Path, folder: Path) -> Path:
    return (folder / "labels" / photo.relative_to(folder / "images")).with_suffix(".txt")


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
    if index < 0 or (names and index >= len(names)):
        return f"class {index} has no name among {', '.join(names)}"
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
