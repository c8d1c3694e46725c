"""Photos of how many objects each."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from device.runtime.predictor import Predictor
from training.datasets.channel import write_channel
from training.datasets.counts import up_to
from training.datasets.formats import import_photos
from training.datasets.photo_set import PhotoSet, require_trainable
from training.datasets.rendered_bins import MOST_OBJECTS, render_bin, write_rendered_bins
from training.datasets.split import split_photos
from training.evaluation import Evaluation
from training.figures import evaluate
from training.tasks.classify import calibrate_photos, listed
from training.tasks.task import PreparedData, Task

RENDERED_PHOTOS = 3600
SELF_TEST_SIDE_PX = 96


def prepare(data: Path | None, rendered: Path, channels: Path, seed: int) -> PreparedData:
    """Photos of more objects than are trained on lie in the test channel, to see whether the model notices.

    Raises: DatasetError, for data that cannot be trained on.
    """
    source = data or write_rendered_bins(rendered, RENDERED_PHOTOS, seed)
    within, beyond = up_to(import_photos(source, "count"), MOST_OBJECTS)
    split = split_photos(require_trainable(within), seed=seed)
    test = PhotoSet((*within.labels, *beyond.labels), split.test.photos + beyond.photos)
    for name, part in {"train": split.train, "validation": split.validation, "test": test}.items():
        write_channel(part, channels / name)
    counts = {name: len(part.photos) for name, part in split.parts().items()}
    note = f"  {len(beyond.photos)} photos of more than {MOST_OBJECTS} objects are kept for trying abstention"
    return PreparedData(within.fingerprint(), counts, [*within.report.lines(), *split.notes(), note])


def evaluate_counts(predictor: Predictor, source: Path) -> Evaluation:
    return evaluate(predictor, listed(source, "count", predictor))


def headline(figures: Mapping[str, Any]) -> str:
    if not figures["photos"]:
        beyond = figures["beyond_range"]
        return f"{beyond['photos']} photos beyond the trained range, {beyond['flagged']} of them flagged"
    return (
        f"accuracy {figures['accuracy']:.3f}, within one {figures['within_one']:.3f}, RMSE {figures['rmse']:.3f} "
        f"on {figures['photos']} photos"
    )


def self_test_photos(seed: int) -> Sequence[Image.Image]:
    return [render_bin(seed, 2, SELF_TEST_SIDE_PX)]


COUNT = Task(
    name="count",
    model_name="bins",
    prepare=prepare,
    calibrate=calibrate_photos,
    evaluate=evaluate_counts,
    headline=headline,
    self_test_photos=self_test_photos,
    from_scratch={
        "image_size": "96",
        "channels": "16,32,64,128",
        "optimizer": "adam",
        "learning_rate": "0.003",
        "epochs": "20",
        "average_decay": "0.98",
        "augment": "0.5",
        "label_smoothing": "0",
        "max_seconds": "100",
    },
    pretrained={
        "image_size": "224",
        "optimizer": "adam",
        "learning_rate": "0.0005",
        "head_rate": "3",
        "weight_decay": "0.0001",
        "dropout": "0.3",
        "batch_size": "32",
        "epochs": "8",
        "augment": "0.5",
        "mixup": "0.2",
        "cached_views": "6",
        "finetune_stride": "8",
        "unclip": "1",
        "pooled_stages": "2",
        "class_balance": "0",
        "label_smoothing": "0",
        "average_decay": "0.98",
        "keep": "last",
    },
)
