"""Writers: a split data set as SageMaker's built-in algorithms take it, made of our channels (channel.py).

image-classification: train_lst/train.lst and validation_lst/validation.lst beside the channels' photos, or RecordIO.
object-detection: an augmented manifest of S3 addresses in each channel, which SageMaker pipes in, or RecordIO.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from training.datasets.channel import MANIFEST_NAME, read_channel
from training.datasets.listing import json_lines
from training.datasets.lst import CLASS_FILES
from training.datasets.photo_set import DatasetError
from training.datasets.recordio import Record, box_labels, write_records
from training.detection.channel import read_boxed_photos

TRAINED = ("train", "validation")
S3_MANIFEST = "s3.manifest"
METADATA = "-metadata"


def channel_labels(channel: Path) -> tuple[str, ...]:
    """The classes of a channel in the order of their numbers. Raises: DatasetError."""
    named: dict[int, str] = {}
    for line in _lines(channel):
        metadata: dict[str, Any] = next((value for key, value in line.items() if key.endswith(METADATA)), {})
        named.update({int(index): name for index, name in metadata.get("class-map", {}).items()})
        if "class-name" in metadata:
            named[int(line["label"])] = metadata["class-name"]
    if sorted(named) != list(range(len(named))):
        raise DatasetError(f"{channel} has no photos of some class: {', '.join(named.values()) or 'none are named'}")
    return tuple(named[index] for index in range(len(named)))


def write_lists(channels: Path, labels: Sequence[str], names: Sequence[str] = TRAINED) -> list[Path]:
    """A `.lst` for each channel, paths relative to the channel; the classes' names lie beside it."""
    return [_write_list(channels / name, labels, channels / f"{name}_lst") for name in names]


def _write_list(channel: Path, labels: Sequence[str], folder: Path) -> Path:
    lines = [
        f"{number}\t{labels.index(photo.label)}\t{photo.path.relative_to(channel).as_posix()}\n"
        for number, photo in enumerate(read_channel(channel))
    ]
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / CLASS_FILES[0], (f"{label}\n" for label in labels))
    return write_whole(folder / f"{channel.name}.lst", lines)


def write_s3_manifest(channel: Path, place: str, attribute: str) -> Path:
    """The channel's manifest with S3 addresses under `place`, the labels under `attribute`, in the asked order.

    Raises: DatasetError.
    """
    lines = (json.dumps(_addressed(line, place.rstrip("/"), attribute)) + "\n" for line in _lines(channel))
    return write_whole(channel / S3_MANIFEST, lines)


def _lines(channel: Path) -> Iterator[dict[str, Any]]:
    for _, line in json_lines(channel / MANIFEST_NAME):
        yield line


def _addressed(line: dict[str, Any], place: str, attribute: str) -> dict[str, Any]:
    ours = next((key.removesuffix(METADATA) for key in line if key.endswith(METADATA)), None)
    if ours is None:
        raise DatasetError(f"a line has no attribute with metadata: {json.dumps(line)[:200]}")
    described = {attribute: line[ours], f"{attribute}{METADATA}": line[f"{ours}{METADATA}"]}
    return {"source-ref": f"{place}/{line['source-ref']}", **described}


def write_class_records(channel: Path, labels: Sequence[str], path: Path) -> None:
    photos = read_channel(channel)
    write_records(
        [Record(key, (float(labels.index(photo.label)),), photo.path) for key, photo in enumerate(photos)], path
    )


def write_box_records(channel: Path, path: Path) -> None:
    photos = read_boxed_photos(channel).photos
    write_records([Record(key, box_labels(photo.rows), photo.path) for key, photo in enumerate(photos)], path)


def write_whole(path: Path, lines: Iterator[str] | Sequence[str]) -> Path:
    """On the disk under its name only once it is complete."""
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("w", encoding="utf-8") as stream:
            stream.writelines(lines)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return path
