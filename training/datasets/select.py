"""A part of a data set in any form, or the whole in another form.

    python -m training.datasets.select --data bins/ --task count --labels 0,1,2,3,4,5 --per-label 1000 --out build/bins

Chooses by a hash of the content, so that the same photos are chosen again whatever they are called. Writes our channel
(manifest and photos); with --split three of them; with --lists or --records also what built-in algorithms read.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from training.datasets.built_in import TRAINED, channel_labels, write_box_records, write_class_records, write_lists
from training.datasets.channel import write_channel
from training.datasets.formats import import_boxes, import_photos
from training.datasets.listing import label_order
from training.datasets.photo_set import DatasetError, Photo, PhotoSet
from training.detection.channel import BoxedSet, write_boxed_channel
from training.tasks import TASKS

SPLITS = ("train", "validation", "test")


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    try:
        for line in select(options):
            print(line)
    except (DatasetError, OSError) as error:
        print(f"nothing selected: {error}", file=sys.stderr)
        return 1
    return 0


def parser() -> argparse.ArgumentParser:
    known = argparse.ArgumentParser(prog="python -m training.datasets.select", description=__doc__.partition("\n")[0])
    known.add_argument("--data", type=Path, required=True, help="labelled photos in any form that is imported")
    known.add_argument("--task", choices=sorted(TASKS), default="classify")
    known.add_argument("--labels", default="", help="between commas; default: all")
    known.add_argument("--per-label", type=int, default=0, help="at most so many photos of each; default: all")
    known.add_argument("--split", action="store_true", help="into train, validation and test")
    known.add_argument("--lists", action="store_true", help="also a .lst for each part")
    known.add_argument("--records", action="store_true", help="also RecordIO for each part")
    known.add_argument("--seed", type=int, default=0)
    known.add_argument("--out", type=Path, required=True, help="a new folder")
    return known


def select(options: argparse.Namespace) -> list[str]:
    """What was done, for people. `out` appears whole or not at all. Raises: DatasetError."""
    if options.out.exists():
        raise DatasetError(f"{options.out} is there already: name a new folder")
    part = options.out.with_name(f".{options.out.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.parent.mkdir(parents=True, exist_ok=True)
    try:
        lines = _boxes(part, options) if options.task == "detect" else _photos(part, options)
        if options.split:
            whole = part.with_name(f"{part.name}.whole")
            shutil.rmtree(whole, ignore_errors=True)
            part.replace(whole)
            TASKS[options.task].prepare(whole, part, part, options.seed)
            shutil.rmtree(whole)
        _write_forms(part, options)
        part.replace(options.out)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return lines


def _photos(folder: Path, options: argparse.Namespace) -> list[str]:
    photos = import_photos(options.data, options.task)
    chosen = choose(photos, _labels(options.labels, photos.labels), options.per_label, options.seed)
    write_channel(chosen, folder, with_groups=True)
    counts = ", ".join(f"{label}: {count}" for label, count in chosen.counts().items())
    return [*photos.report.lines(), f"{options.out}: {len(chosen.photos)} photos ({counts})"]


def choose(photos: PhotoSet, labels: Sequence[str], per_label: int, seed: int) -> PhotoSet:
    """At most `per_label` photos of each label, all of them where it is 0."""
    ordered: dict[str, list[Photo]] = defaultdict(list)
    for photo in sorted(photos.photos, key=lambda photo: _place(photo.sha256, seed)):
        ordered[photo.label].append(photo)
    chosen = [photo for label in labels for photo in ordered[label][: per_label or None]]
    return PhotoSet(tuple(labels), tuple(chosen), photos.report)


def _place(name: str, seed: int) -> bytes:
    return hashlib.sha256(f"{seed} {name}".encode()).digest()


def _labels(asked: str, there: Sequence[str]) -> tuple[str, ...]:
    labels = tuple(label.strip() for label in asked.split(",")) if asked else tuple(there)
    strangers = sorted(set(labels) - set(there))
    if strangers:
        raise DatasetError(f"no photo has the label {strangers[0]}; there are {', '.join(there)}")
    return tuple(sorted(labels, key=label_order))


def _boxes(folder: Path, options: argparse.Namespace) -> list[str]:
    boxed = import_boxes(options.data)
    if options.labels or options.per_label:
        raise DatasetError("frames with boxes are taken whole: --labels and --per-label choose photos of a class each")
    write_boxed_channel(boxed.photos, boxed.labels, folder)
    return [*boxed.report.lines(), f"{options.out}: {_boxes_in(boxed)} boxes in {len(boxed.photos)} photos"]


def _boxes_in(boxed: BoxedSet) -> int:
    return sum(len(photo.rows) for photo in boxed.photos)


def _write_forms(folder: Path, options: argparse.Namespace) -> None:
    """The built-in algorithms train on train and validation; the test part may hold classes that those have not."""
    if options.lists and (not options.split or options.task == "detect"):
        raise DatasetError("--lists goes with --split, and with photos of a class each")
    if options.lists:
        write_lists(folder, channel_labels(folder / TRAINED[0]), TRAINED)
    if options.records:
        for channel in [folder / name for name in SPLITS] if options.split else [folder]:
            _write_records(channel, folder / TRAINED[0] if channel.name in TRAINED else channel, options.task)


def _write_records(channel: Path, labelled: Path, task: str) -> None:
    path = channel / "photos.rec"
    if task == "detect":
        write_box_records(channel, path)
    else:
        write_class_records(channel, channel_labels(labelled), path)


if __name__ == "__main__":
    sys.exit(main())
