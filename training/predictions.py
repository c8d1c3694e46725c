"""A packaged model's answers to labelled photos, through the runtime that serves it."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from device.runtime.decision import ClassificationDecision, CountDecision
from device.runtime.image_errors import InvalidImageError
from device.runtime.predictor import Answer, Predictor
from device.runtime.scene import SceneMeasurement
from training.datasets.channel import ChannelPhoto
from training.datasets.photo_set import DatasetError
from training.progress import Progress

THREADS = 2


@dataclass(frozen=True)
class Prediction:
    photo: ChannelPhoto
    answer: Answer

    @property
    def decision(self) -> ClassificationDecision | CountDecision:
        assert isinstance(self.answer.result, ClassificationDecision | CountDecision)
        return self.answer.result


@dataclass(frozen=True)
class Predictions:
    """Answers to photos whose label the model knows, in the order of the photos."""

    labels: tuple[str, ...]
    answered: tuple[Prediction, ...]

    @property
    def targets(self) -> NDArray[np.int64]:
        return np.array([self.labels.index(each.photo.label) for each in self.answered], dtype=np.int64)

    @property
    def raw(self) -> NDArray[np.float64]:
        """(n, labels): as the network gave them, before the temperature."""
        return np.array([each.answer.probabilities for each in self.answered], dtype=np.float64)

    @property
    def calibrated(self) -> NDArray[np.float64]:
        """(n, labels): as the API would answer."""
        rows = [[each.decision.probabilities[label] for label in self.labels] for each in self.answered]
        return np.array(rows, dtype=np.float64)

    @property
    def features(self) -> NDArray[np.float32] | None:
        found = [each.answer.features for each in self.answered if each.answer.features is not None]
        return np.stack(found) if len(found) == len(self.answered) else None

    @property
    def scenes(self) -> list[SceneMeasurement]:
        return [each.answer.scene for each in self.answered]


def predict_photos(predictor: Predictor, photos: Sequence[ChannelPhoto], title: str) -> list[Prediction]:
    """Photos that cannot be read are named and left out. Load the predictor with one thread: photos go in parallel."""
    progress = Progress(title, len(photos), "photos")
    predictions = []
    with ThreadPoolExecutor(THREADS) as pool:
        for photo, answer in zip(photos, pool.map(lambda p: _answer(predictor, p.path), photos), strict=True):
            progress.advance(1)
            if answer is not None:
                predictions.append(Prediction(photo, answer))
    return predictions


def _answer(predictor: Predictor, path: Path) -> Answer | None:
    try:
        return predictor.predict(path.read_bytes())
    except (InvalidImageError, OSError) as error:
        print(f"skipped {path}: {error}", flush=True)
        return None


def of_known_labels(predictor: Predictor, answered: Sequence[Prediction]) -> Predictions:
    """Raises: DatasetError, when no photo could be read, or none has a label of the model."""
    if not answered:
        raise DatasetError("no photo can be read")
    labels = predictor.manifest.label_names
    known = tuple(each for each in answered if each.photo.label in labels)
    if not known:
        raise DatasetError(f"no photo has a label that the model knows ({', '.join(labels)})")
    return Predictions(labels, known)
