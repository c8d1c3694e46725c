"""The steps of a job that differ from task to task."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from device.runtime.predictor import Predictor
from training.calibrate import Calibration
from training.evaluation import Evaluation


@dataclass(frozen=True)
class PreparedData:
    """photos: how many in each channel. report: lines for people."""

    fingerprint: str
    photos: Mapping[str, int]
    report: Sequence[str]


@dataclass(frozen=True)
class Task:
    """`prepare(data, rendered, channels, seed)` writes the channels train, validation and test.

    Without `data` it renders photos into the folder `rendered` first. `calibrate(predictor, channels)` chooses on
    validation; `evaluate(predictor, source)` measures on a channel, or any data set the task's importers read;
    `headline(figures)` says it in a line. One of `self_test_photos(seed)` becomes the public self-test vector.
    """

    name: str
    model_name: str
    prepare: Callable[[Path | None, Path, Path, int], PreparedData]
    calibrate: Callable[[Predictor, Path], Calibration]
    evaluate: Callable[[Predictor, Path], Evaluation]
    headline: Callable[[Mapping[str, Any]], str]
    self_test_photos: Callable[[int], Sequence[Image.Image]]
    from_scratch: Mapping[str, str]
    pretrained: Mapping[str, str]
