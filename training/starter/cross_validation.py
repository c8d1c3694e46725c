"""How good a recipe is on photos it was not trained on: every photo is held out once."""

import json
import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.calibrate import with_temperature
from training.datasets.channel import read_channel, write_channel
from training.datasets.photo_set import PhotoSet
from training.datasets.split import folds, split_photos
from training.job import JobRequest, run_training
from training.metrics import accuracy_at_coverage, classification_scores, expected_calibration_error
from training.package import Draft, Provenance, begin
from training.predictions import of_known_labels, predict_photos
from training.prepare import write_hyperparameters

FOLDS = 5
VALIDATION_SHARE = 0.1


@dataclass(frozen=True)
class HeldOut:
    """Raw probabilities (n, labels) of photos that the answering network had not seen, and their labels (n,)."""

    probabilities: NDArray[np.float64]
    targets: NDArray[np.int64]


@dataclass(frozen=True)
class Trial:
    """One network of the recipe: trained in `work`, which keeps what is finished for the next try."""

    request: JobRequest
    recipe: Mapping[str, str]
    provenance: Provenance

    def train(self, train: PhotoSet, held_out: PhotoSet) -> Draft:
        """A tenth of `train` is kept from it for validation; `held_out` becomes the channel `test`."""
        layout, facts = self.request.work / "ml", self.request.work / "trained.json"
        identity = json.dumps([train.fingerprint(), held_out.fingerprint(), dict(self.recipe)])
        if not facts.exists() or facts.read_text() != identity:
            shutil.rmtree(self.request.work, ignore_errors=True)
            split = split_photos(train, (1 - VALIDATION_SHARE, VALIDATION_SHARE, 0.0))
            for name, photos in (("train", split.train), ("validation", split.validation), ("test", held_out)):
                write_channel(photos, layout / "input" / "data" / name)
            write_hyperparameters(layout, self.recipe, self.request.pretrained)
            run_training(self.request, layout)
            facts.write_text(identity)
        return begin(layout / "model", self.request.work / "package", self.provenance)

    @property
    def channels(self) -> Path:
        return self.request.work / "ml" / "input" / "data"


def held_out_answers(trials: Sequence[Trial], photos: PhotoSet, parallel: int = 1) -> list[HeldOut]:
    """One of `HeldOut` a fold, in order."""
    with ThreadPoolExecutor(parallel) as pool:
        return list(pool.map(_answers_of_fold, trials, folds(photos, len(trials))))


def _answers_of_fold(trial: Trial, fold: tuple[PhotoSet, PhotoSet]) -> HeldOut:
    draft = trial.train(*fold)
    with draft.predictor() as predictor:
        answered = predict_photos(predictor, read_channel(trial.channels / "test"), trial.request.work.name)
        predictions = of_known_labels(predictor, answered)
    answers = HeldOut(predictions.raw, predictions.targets)
    print(f"{trial.request.work.name}: macro recall {_macro_recall(answers):.3f}", flush=True)
    return answers


def _macro_recall(answers: HeldOut) -> float:
    return classification_scores(answers.probabilities, answers.targets).macro_recall


def pooled(answers: Sequence[HeldOut]) -> HeldOut:
    probabilities = np.concatenate([each.probabilities for each in answers])
    return HeldOut(probabilities, np.concatenate([each.targets for each in answers]))


def fold_figures(answers: Sequence[HeldOut], labels: Sequence[str], temperature: float) -> dict[str, Any]:
    """Means over folds, and what all held-out photos together say; `temperature` as in the manifest."""
    together = pooled(answers)
    calibrated = with_temperature(together.probabilities, temperature)
    scores = classification_scores(calibrated, together.targets)
    recalls = [_macro_recall(each) for each in answers]
    return {
        "folds": len(answers),
        "photos": len(together.targets),
        "macro_recall": round(float(np.mean(recalls)), 4),
        "macro_recall_by_fold": [round(value, 4) for value in recalls],
        "recall": {label: round(value, 4) for label, value in zip(labels, scores.recall, strict=True)},
        "precision": {label: round(value, 4) for label, value in zip(labels, scores.precision, strict=True)},
        "macro_f1": round(scores.macro_f1, 4),
        "accuracy": round(scores.accuracy, 4),
        "accuracy_at_90_coverage": round(accuracy_at_coverage(calibrated, together.targets, 0.9), 4),
        "ece": round(expected_calibration_error(calibrated, together.targets), 4),
        "ece_before_temperature": round(expected_calibration_error(together.probabilities, together.targets), 4),
        "confusion": [list(row) for row in scores.confusion],
    }
