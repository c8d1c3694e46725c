"""Figures of a classifier, from probabilities (n, classes) and targets (n,): pure numpy, no framework."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Ints = NDArray[np.int64]
ECE_BINS = 15


@dataclass(frozen=True)
class ClassificationScores:
    accuracy: float
    macro_recall: float
    macro_f1: float
    recall: tuple[float, ...]  # NaN for a class without photos
    precision: tuple[float, ...]
    confusion: tuple[tuple[int, ...], ...]  # rows: true class


def classification_scores(probabilities: Floats, targets: Ints) -> ClassificationScores:
    confusion = confusion_matrix(probabilities.argmax(axis=1), targets, probabilities.shape[1])
    right, actual, answered = np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        recall = right / actual
        precision = np.where(answered > 0, right / answered, 0.0)
        f1 = np.where(right > 0, 2 * right / (actual + answered), 0.0)
    present = actual > 0
    return ClassificationScores(
        accuracy=float(right.sum() / max(1, confusion.sum())),
        macro_recall=float(recall[present].mean()),
        macro_f1=float(f1[present].mean()),
        recall=tuple(recall.tolist()),
        precision=tuple(precision.tolist()),
        confusion=tuple(tuple(row) for row in confusion.tolist()),
    )


def confusion_matrix(answers: Ints, targets: Ints, classes: int) -> NDArray[np.int64]:
    return np.bincount(targets * classes + answers, minlength=classes * classes).reshape(classes, classes)


def balanced_log_loss(probabilities: Floats, targets: Ints) -> float:
    """Cross entropy with every class of the same weight."""
    losses = -np.log(np.maximum(probabilities[np.arange(len(targets)), targets], 1e-7))
    return float(np.mean([losses[targets == target].mean() for target in np.unique(targets)]))


def expected_calibration_error(probabilities: Floats, targets: Ints, bins: int = ECE_BINS) -> float:
    """Mean distance between confidence and accuracy over equally wide bins of confidence, weighted by their photos."""
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == targets
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = [abs(confidence[place == b].sum() - right[place == b].sum()) for b in np.unique(place)]
    return float(sum(gaps) / len(targets))


def accuracy_at_coverage(probabilities: Floats, targets: Ints, coverage: float) -> float:
    """Accuracy among the `coverage` share of photos of which the model is surest."""
    kept = np.argsort(-probabilities.max(axis=1), kind="stable")[: max(1, round(coverage * len(targets)))]
    return float((probabilities[kept].argmax(axis=1) == targets[kept]).mean())


def bootstrap_interval(
    figure: Callable[[Floats, Ints], float], probabilities: Floats, targets: Ints, rounds: int = 300, seed: int = 0
) -> tuple[float, float]:
    """95% interval of a figure over resampled photos, every class keeping its number of photos."""
    rng = np.random.default_rng(seed)
    members = [np.flatnonzero(targets == target) for target in np.unique(targets)]
    values = []
    for _ in range(rounds):
        drawn = np.concatenate([rng.choice(some, len(some)) for some in members])
        values.append(figure(probabilities[drawn], targets[drawn]))
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)
