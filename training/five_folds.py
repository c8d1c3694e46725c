"""How much a classifier's figures hang on which photos were held out: five trainings, every photo held out once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from training.bootstrap import bootstrap_intervals
from training.calibrate import best_temperature, with_temperature
from training.datasets.channel import read_channel
from training.datasets.formats import import_photos
from training.datasets.photo_set import PhotoSet, require_trainable
from training.datasets.split import folds
from training.job import JobRequest, code_revision, job_hyperparameters
from training.metrics import accuracy_at_coverage, classification_scores
from training.package import Provenance
from training.predictions import of_known_labels, predict_photos
from training.starter.cross_validation import FOLDS, HeldOut, Trial, fold_figures, pooled


def five_fold_figures(request: JobRequest) -> dict[str, Any]:
    """Of `request`'s recipe on `request.data`; each fold's temperature is chosen on photos that it did not hold out.

    `training_s` and `processor_s` are means of the five trainings. Raises: JobError, DatasetError, PackagingError.
    """
    photos = require_trainable(import_photos(request.data or Path(), "classify"))
    pairs = folds(photos, FOLDS, request.seed)
    answers = [answers_of_fold(request, photos, number, pair) for number, pair in enumerate(pairs, 1)]
    layouts = [request.work / f"fold-{number}" / "ml" for number in range(1, FOLDS + 1)]
    facts = [json.loads((layout / "model" / "training.json").read_text()) for layout in layouts]
    spent = {"training_s": _mean([each["seconds"] for each in facts])}
    return {
        **figures_of(answers, photos.labels),
        **spent,
        "processor_s": _mean([each["processor_s"] for each in facts]),
    }


def _mean(values: Sequence[float]) -> float:
    return round(float(np.mean(values)), 1)


def answers_of_fold(request: JobRequest, photos: PhotoSet, number: int, fold: tuple[PhotoSet, PhotoSet]) -> HeldOut:
    name = f"fold-{number}"
    own = replace(request, work=request.work / name)
    fingerprint = photos.fingerprint()
    provenance = Provenance(request.name, fingerprint, f"{name}-{fingerprint[:12]}", code_revision(), {}, ())
    trial = Trial(own, job_hyperparameters(request), provenance)
    with trial.train(*fold).predictor() as predictor:
        seen, held_out = (
            of_known_labels(predictor, predict_photos(predictor, read_channel(trial.channels / part), f"{name} {part}"))
            for part in ("validation", "test")
        )
    temperature = best_temperature(seen.raw, seen.targets)
    return HeldOut(with_temperature(held_out.raw, temperature), held_out.targets)


def figures_of(answers: Sequence[HeldOut], labels: Sequence[str]) -> dict[str, Any]:
    """`answers`: one a fold, calibrated. Intervals are over all held-out photos together."""
    figures = fold_figures(answers, labels, temperature=1.0)
    del figures["ece_before_temperature"]  # they are calibrated already
    together = pooled(answers)

    def score(rows: np.ndarray[Any, np.dtype[np.int64]]) -> HeldOut:
        return HeldOut(together.probabilities[rows], together.targets[rows])

    drawn = {
        "macro_recall": lambda rows: _macro_recall(score(rows)),
        "accuracy_at_90_coverage": lambda rows: _accuracy_at_90(score(rows)),
    }
    return {**figures, "intervals_95": bootstrap_intervals(drawn, together.targets)}


def _macro_recall(answers: HeldOut) -> float:
    return classification_scores(answers.probabilities, answers.targets).macro_recall


def _accuracy_at_90(answers: HeldOut) -> float:
    return accuracy_at_coverage(answers.probabilities, answers.targets, 0.9)
