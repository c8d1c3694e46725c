"""Frames with a box around each object."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from device.runtime.predictor import Predictor
from training.calibrate import Calibration
from training.datasets.formats import import_boxes
from training.datasets.photo_set import DatasetError, Skipped
from training.datasets.rendered_coins import coin_values, render_table, write_rendered_coins
from training.detection.artifact import calibrate_detector
from training.detection.channel import BoxedPhoto, BoxedSet, read_boxed_photos, require_every_class, write_boxed_channel
from training.detection.figures import evaluate_detector
from training.detection.near_copies import apart, perceptual_hashes
from training.detection.split import split_frames
from training.evaluation import Evaluation
from training.tasks.task import PreparedData, Task

RENDERED_FRAMES = 1800
SELF_TEST_SIDE_PX = 128
SELF_TEST_CHOICES = 24


def prepare(data: Path | None, rendered: Path, channels: Path, seed: int) -> PreparedData:
    """Whole sites or cameras are held out where they are named, else the tail of each sequence after a gap.

    Raises: DatasetError.
    """
    boxed = without_copies(import_boxes(data or write_rendered_coins(rendered, RENDERED_FRAMES, seed)))
    dealt = split_frames(boxed.photos)
    split = apart(dealt, perceptual_hashes(boxed.photos))
    parts = {"train": split.train, "validation": split.validation, "test": split.test}
    for name, photos in parts.items():
        if not photos:
            raise DatasetError(f"{boxed.report.source} has too few frames: none is left for {name}")
        write_boxed_channel(photos, boxed.labels, channels / name)
    require_every_class(boxed.labels, split.train, "train")
    like = len(split.unused) - len(dealt.unused)
    notes = [
        f"  {len(dealt.unused)} frames are left out as gaps between training, validation and test",
        f"  {like} frames are left out because they are nearly the same as a held-out one",
    ]
    counts = {name: len(photos) for name, photos in parts.items()}
    return PreparedData(fingerprint(boxed), counts, [*boxed.report.lines(), *notes])


def without_copies(boxed: BoxedSet) -> BoxedSet:
    """Each photo once, whatever it is called: a copy in another sequence would stand on both sides of the split."""
    kept: dict[str, BoxedPhoto] = {}
    skipped = list(boxed.report.skipped)
    for photo in boxed.photos:
        first = kept.setdefault(_digest(photo), photo)
        if first is not photo:
            skipped.append(Skipped(photo.path.name, f"it is the same photo as {first.path.name}"))
    report = replace(boxed.report, read=len(kept), skipped=tuple(skipped))
    return replace(boxed, photos=tuple(kept.values()), report=report)


def fingerprint(boxed: BoxedSet) -> str:
    """SHA-256 over every photo's content and boxes, whatever the photos are called and their order."""
    lines = sorted(f"{_digest(photo)} {photo.rows}" for photo in boxed.photos)
    return hashlib.sha256("\n".join([*boxed.labels, *lines]).encode()).hexdigest()


def _digest(photo: BoxedPhoto) -> str:
    try:
        return hashlib.sha256(photo.path.read_bytes()).hexdigest()
    except OSError as error:
        raise DatasetError(f"{photo.path} cannot be read: {error.strerror}") from error


def calibrate_frames(predictor: Predictor, channels: Path) -> Calibration:
    parts = [read_boxed_photos(channels / name, predictor.manifest.label_names) for name in ("train", "validation")]
    return calibrate_detector(predictor, parts[0].photos, parts[1].photos)


def evaluate_frames(predictor: Predictor, source: Path) -> Evaluation:
    boxed = import_boxes(source, predictor.manifest.label_names)
    if boxed.report.skipped or boxed.report.notes:
        print("\n".join(boxed.report.lines()), flush=True)
    return evaluate_detector(predictor, boxed.photos)


def headline(figures: Mapping[str, Any]) -> str:
    known = [("mAP@0.5", "map50"), ("count right", "count_right"), ("sum right", "sum_right")]
    parts = [f"{title} {figures[name]:.3f}" for title, name in known if name in figures]
    return f"{', '.join(parts)} on {figures['photos']} frames"


def self_test_photos(seed: int) -> Sequence[Image.Image]:
    """Tables with coins and tables with notes: whatever the model was trained on, some of it should be found."""
    tables = [render_table(seed + index, 3, SELF_TEST_SIDE_PX).picture for index in range(SELF_TEST_CHOICES)]
    return [*tables, *(_note(seed + index) for index in range(SELF_TEST_CHOICES))]


def _note(seed: int) -> Image.Image:
    """A bright, tinted rectangle with a pattern on a dark table."""
    random = np.random.RandomState(seed)
    picture = Image.new("RGB", (SELF_TEST_SIDE_PX, SELF_TEST_SIDE_PX), (58, 48, 44))
    draw = ImageDraw.Draw(picture)
    left, top = random.randint(10, 60, size=2)
    width, height = (44, 20) if seed % 2 else (20, 44)
    paper = (int(random.randint(120, 200)), int(random.randint(190, 235)), int(random.randint(215, 250)))
    ink = (50, 110, 170) if seed % 4 < 2 else (90, 150, 130)
    draw.rectangle([left, top, left + width, top + height], fill=paper)
    for share in (0.2, 0.45, 0.7):
        x, y = left + width * share, top + height * share
        draw.rectangle([x, y - 3, x + 7, y + 4], fill=ink)
    return picture


COIN_OPTIONS = {"values": coin_values(), "added_objects": 0, "composed_per_frame": 0, "zoom": 0.0}

DETECT = Task(
    name="detect",
    model_name="coins",
    prepare=prepare,
    calibrate=calibrate_frames,
    evaluate=evaluate_frames,
    headline=headline,
    self_test_photos=self_test_photos,
    from_scratch={
        "image_size": "96",
        "channels": "16,32,64,64",
        "optimizer": "adam",
        "learning_rate": "0.003",
        "batch_size": "32",
        "epochs": "12",
        "augment": "0.5",
        "average_decay": "0.98",
        "max_seconds": "100",
        "options": json.dumps(COIN_OPTIONS),
    },
    pretrained={
        "image_size": "300",
        "optimizer": "adam",
        "learning_rate": "0.001",
        "batch_size": "8",
        "epochs": "25",
        "finetune_layers": "15",
        "average_decay": "0.99",
        "keep": "last",
    },
)
