"""Figures of a classifier, from probabilities (n, classes) and targets (n,): pure numpy, no framework."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Ints = NDArray[np.int64]
ECE_BINS = 15


@dataclass(frozen=True)
class ReliabilityBin:
    """Mean confidence and accuracy of the photos whose confidence lies in one bin."""

    photos: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class ClassificationScores:
    accuracy: float
    macro_recall: float
    macro_f1: float
    recall: tuple[float, ...]  # NaN for a class without photos
    precision: tuple[float, ...]
    f1: tuple[float, ...]
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
        f1=tuple(f1.tolist()),
        confusion=tuple(tuple(row) for row in confusion.tolist()),
    )


def confusion_matrix(answers: Ints, targets: Ints, classes: int) -> NDArray[np.int64]:
    return np.bincount(targets * classes + answers, minlength=classes * classes).reshape(classes, classes)


def log_losses(probabilities: Floats, targets: Ints) -> Floats:
    """(n,): of each photo the logarithm of the probability that its truth was given, negated; `targets` are columns."""
    losses: Floats = -np.log(np.maximum(probabilities[np.arange(len(targets)), targets], 1e-7))
    return losses


def log_loss(probabilities: Floats, targets: Ints) -> float:
    return float(log_losses(probabilities, targets).mean())


def balanced_log_loss(probabilities: Floats, targets: Ints) -> float:
    """Cross entropy with every class of the same weight."""
    losses = log_losses(probabilities, targets)
    return float(np.mean([losses[targets == target].mean() for target in np.unique(targets)]))


def expected_calibration_error(probabilities: Floats, targets: Ints, bins: int = ECE_BINS) -> float:
    """Mean distance between confidence and accuracy over equally wide bins of confidence, weighted by their photos."""
    found = reliability(probabilities, targets, bins)
    return sum(each.photos * abs(each.confidence - each.accuracy) for each in found) / len(targets)


def reliability(probabilities: Floats, targets: Ints, bins: int = ECE_BINS) -> list[ReliabilityBin]:
    """Equally wide bins of confidence, those without photos left out."""
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == targets
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    members = [place == number for number in np.unique(place)]
    return [ReliabilityBin(int(m.sum()), float(confidence[m].mean()), float(right[m].mean())) for m in members]


def accuracy_at_coverage(probabilities: Floats, targets: Ints, coverage: float) -> float:
    """Accuracy among the `coverage` share of photos of which the model is surest."""
    kept = np.argsort(-probabilities.max(axis=1), kind="stable")[: max(1, round(coverage * len(targets)))]
    return float((probabilities[kept].argmax(axis=1) == targets[kept]).mean())
