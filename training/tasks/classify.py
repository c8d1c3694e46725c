"""Photos of a class each."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from device.runtime.predictor import Predictor
from training.calibrate import Calibration, calibrate_model
from training.datasets.channel import ChannelPhoto, read_channel, write_channel
from training.datasets.formats import import_photos, list_photos
from training.datasets.photo_set import PhotoSet, require_trainable
from training.datasets.rendered import WASTE, render_waste, write_rendered_waste
from training.datasets.split import split_photos
from training.evaluation import Evaluation
from training.figures import evaluate
from training.tasks.task import PreparedData, Task

RENDERED_PER_LABEL = 1200
SELF_TEST_SIDE_PX = 64


def prepare(data: Path | None, rendered: Path, channels: Path, seed: int) -> PreparedData:
    """Raises: DatasetError, for data that cannot be trained on."""
    photos = require_trainable(import_photos(data or _render(rendered, seed), "classify"))
    return write_split(photos, channels, seed)


def write_split(photos: PhotoSet, channels: Path, seed: int) -> PreparedData:
    split = split_photos(photos, seed=seed)
    for name, part in split.parts().items():
        write_channel(part, channels / name)
    counts = {name: len(part.photos) for name, part in split.parts().items()}
    return PreparedData(photos.fingerprint(), counts, [*photos.report.lines(), *split.notes()])


def _render(folder: Path, seed: int) -> Path:
    begun_s = time.monotonic()
    write_rendered_waste(folder, RENDERED_PER_LABEL, seed)
    print(f"rendered {3 * RENDERED_PER_LABEL} photos in {time.monotonic() - begun_s:.0f} s", flush=True)
    return folder


def calibrate_photos(predictor: Predictor, channels: Path) -> Calibration:
    return calibrate_model(predictor, read_channel(channels / "train"), read_channel(channels / "validation"))


def evaluate_photos(predictor: Predictor, source: Path) -> Evaluation:
    return evaluate(predictor, listed(source, "classify", predictor))


def listed(source: Path, task: str, predictor: Predictor) -> Sequence[ChannelPhoto]:
    """The photos of any data set; what is left out of it is said. Raises: DatasetError."""
    listing = list_photos(source, task, predictor.manifest.label_names)
    if listing.skipped or listing.notes:
        print("\n".join(listing.report().lines()), flush=True)
    return listing.photos


def headline(figures: Mapping[str, Any]) -> str:
    return f"macro recall {figures['macro_recall']:.3f} on {figures['photos']} photos"


def self_test_photos(seed: int) -> Sequence[Image.Image]:
    return [render_waste(next(iter(WASTE)), np.random.default_rng(seed), SELF_TEST_SIDE_PX)]


CLASSIFY = Task(
    name="classify",
    model_name="waste",
    prepare=prepare,
    calibrate=calibrate_photos,
    evaluate=evaluate_photos,
    headline=headline,
    self_test_photos=self_test_photos,
    # Chosen for two slow cores: rendered photos from scratch in about a minute, a frozen backbone's head in seconds.
    from_scratch={
        "image_size": "64",
        "pooling": "avgmax",
        "epochs": "20",
        "batch_size": "32",
        "optimizer": "adam",
        "learning_rate": "0.003",
        "weight_decay": "0.0001",
        "average_decay": "0.95",
        "flip": "any",
        "augment": "0.6",
        "max_seconds": "100",
    },
    pretrained={
        "image_size": "256",
        "optimizer": "adam",
        "learning_rate": "0.003",
        "weight_decay": "0.1",
        "label_smoothing": "0.1",
        "epochs": "150",
        "keep": "last",
        "pooled_stages": "3",
        "standardize": "1",
    },
)
