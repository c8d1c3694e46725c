"""Importer: SageMaker's and MXNet's `.lst`, one photo a line: index, class index and relative path, between tabs.

Classes are named by `labels`; else by `classes.txt` or `labels.txt` beside the list, a name a line; else by the folders
in the paths, where each class has one of its own; else by their numbers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from training.datasets.listing import Entry, Listing, find_photo, listing_of, read_text
from training.datasets.photo_set import DatasetError, Skipped

CLASS_FILES = ("classes.txt", "labels.txt")


@dataclass(frozen=True)
class Line:
    number: int
    class_index: int
    reference: str


def read_lst(path: Path, labels: Sequence[str] | None = None) -> Listing:
    """Photos are looked for beside the list, and in the folder `train` beside its folder `train_lst`.

    Raises: DatasetError, for a class without a name, or when no line names a photo that is there.
    """
    lines = [_parse(text, number, path) for number, text in enumerate(read_text(path).splitlines(), 1) if text.strip()]
    whole = [line for line in lines if isinstance(line, Line)]
    names = class_names(path, whole, labels)
    sibling = path.parent.with_name(path.parent.name.removesuffix("_lst"))
    entries = [
        line
        if isinstance(line, Skipped)
        else Entry(
            f"{path.name} line {line.number}",
            names[line.class_index],
            line.reference,
            find_photo(path.parent, line.reference) or find_photo(sibling, line.reference),
        )
        for line in lines
    ]
    unused = [names[index] for index in sorted(set(names) - {line.class_index for line in whole})]
    return listing_of(path, entries, [f"class {name.strip()} has no photo" for name in unused])


def _parse(text: str, number: int, path: Path) -> Line | Skipped:
    fields = text.split("\t")
    name = f"{path.name} line {number}"
    if len(fields) < 3:
        return Skipped(name, "it has fewer than three fields between tabs")
    if len(fields) > 3:
        return Skipped(name, "it has more than one label: boxes are read from manifests, COCO, YOLO or Labelbox")
    try:
        index = float(fields[1])
    except ValueError:
        index = -1.0
    if index < 0 or not index.is_integer():
        return Skipped(name, f"{fields[1]!r} is no class index")
    return Line(number, int(index), fields[2].strip())


def class_names(path: Path, lines: Sequence[Line], labels: Sequence[str] | None) -> Mapping[int, str]:
    indices = {line.class_index for line in lines}
    named = dict(enumerate(labels)) if labels else _from_file(path.parent) or _from_folders(lines)
    nameless = sorted(indices - set(named)) if named else []
    if nameless:
        raise DatasetError(f"{path}: class {nameless[0]} has no name among {', '.join(named.values())}")
    return named or {index: str(index) for index in indices}


def _from_file(folder: Path) -> dict[int, str]:
    for name in CLASS_FILES:
        if (folder / name).is_file():
            return dict(enumerate(line for line in read_text(folder / name).splitlines() if line.strip()))
    return {}


def _from_folders(lines: Sequence[Line]) -> dict[int, str]:
    folders: dict[int, set[str]] = defaultdict(set)
    for line in lines:
        folders[line.class_index].add(PurePosixPath(line.reference).parent.name)
    names = {index: next(iter(found)) for index, found in folders.items() if len(found) == 1}
    is_clear = len(names) == len(folders) == len(set(names.values())) and all(names.values())
    return names if is_clear else {}
