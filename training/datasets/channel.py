"""The standard form of a photo set on disk, which a training channel holds and every program reads.

A folder with `manifest.jsonl`, one line a photo in SageMaker's augmented manifest form, and the photos it names. A
relative `source-ref` is read from the manifest's own folder:

    {"source-ref": "photos/1f3a.jpg", "label": 2, "label-metadata": {"class-name": "recycling",
     "type": "groundtruth/image-classification", "human-annotated": "yes"}, "sha256": "1f3a..."}

A channel without a manifest is read as a folder with one folder of photos per class.
"""

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.datasets.photo_set import DatasetError, PhotoSet
from training.datasets.reading import PHOTO_SUFFIXES

MANIFEST_NAME = "manifest.jsonl"
BOXED_MANIFEST_NAMES = (MANIFEST_NAME, "annotations.manifest", "output.manifest")


@dataclass(frozen=True)
class ChannelPhoto:
    path: Path
    label: str
    sha256: str | None = None
    group: str = ""


def write_channel(photos: PhotoSet, folder: Path, with_groups: bool = False) -> None:
    """Photos are linked where the file system can, else copied; named by content, so that no two collide.

    `with_groups`: lines say which photos belong together, where the channel is still to be split.
    """
    (folder / "photos").mkdir(parents=True)
    with (folder / MANIFEST_NAME).open("w", encoding="utf-8") as manifest:
        for photo in photos.photos:
            name = f"photos/{photo.sha256[:24]}{photo.path.suffix.lower()}"
            place_photo(photo.path, folder / name)
            line = _classification_line(name, photos.labels.index(photo.label), photo.label, photo.sha256)
            group = {"group": photo.group} if with_groups and photo.group else {}
            manifest.write(json.dumps({**line, **group}) + "\n")


def _classification_line(name: str, index: int, label: str, sha256: str) -> dict[str, Any]:
    metadata = {"class-name": label, "type": "groundtruth/image-classification", "human-annotated": "yes"}
    return {"source-ref": name, "label": index, "label-metadata": metadata, "sha256": sha256}


def place_photo(source: Path, target: Path) -> None:
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source.resolve(), target)
    except OSError:
        shutil.copyfile(source, target)


def read_channel(folder: Path) -> list[ChannelPhoto]:
    """Raises: DatasetError, naming the line of a manifest that cannot be read."""
    if not folder.is_dir():
        raise DatasetError(f"there is no channel folder {folder}")
    manifest = folder / MANIFEST_NAME
    photos = list(_read_manifest(manifest) if manifest.exists() else _read_class_folders(folder))
    if not photos:
        raise DatasetError(f"the channel {folder} holds no photo")
    return photos


def channel_lines(folder: Path) -> list[str]:
    """One line a photo, whatever is told of it: the same lines, the same channel."""
    for name in BOXED_MANIFEST_NAMES:
        if (folder / name).is_file():
            return [line for line in _text(folder / name).split("\n") if line.strip()]
    return [f"{photo.sha256 or photo.path.name} {photo.label}" for photo in read_channel(folder)]


def _read_manifest(manifest: Path) -> Iterator[ChannelPhoto]:
    for number, line in enumerate(_text(manifest).split("\n"), 1):
        if line.strip():
            yield _read_line(line, manifest, number)


def _text(manifest: Path) -> str:
    try:
        return manifest.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DatasetError(f"{manifest} is not UTF-8: {error}") from error


def _read_line(line: str, manifest: Path, number: int) -> ChannelPhoto:
    try:
        document = json.loads(line)
        label = str(document["label-metadata"]["class-name"]).strip()
        return ChannelPhoto(manifest.parent / document["source-ref"], label, document.get("sha256"))
    except (ValueError, KeyError, TypeError) as error:
        raise DatasetError(f"{manifest} line {number}: not a classification line ({error})") from error


def _read_class_folders(folder: Path) -> Iterator[ChannelPhoto]:
    for class_folder in sorted(path for path in folder.iterdir() if path.is_dir()):
        for path in sorted(class_folder.iterdir()):
            if path.suffix.lower() in PHOTO_SUFFIXES:
                yield ChannelPhoto(path, class_folder.name.strip())
