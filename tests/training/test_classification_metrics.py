"""Figures, calibration and reference features, from small arrays whose answer is known."""

import numpy as np
import pytest

from training.bootstrap import bootstrap_intervals, wilson_interval
from training.calibrate import ambiguous_margin, best_temperature, class_thresholds, with_temperature
from training.metrics import (
    accuracy_at_coverage,
    balanced_log_loss,
    classification_scores,
    expected_calibration_error,
    log_loss,
    reliability,
)
from training.references import distances, reference_features


def sure(answers: list[int], confidence: float = 0.9, classes: int = 3) -> np.ndarray:
    rest = (1 - confidence) / (classes - 1)
    return np.where(np.eye(classes)[answers] > 0, confidence, rest)


def sampled(temperature: float, photos: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    """Labels drawn from honest probabilities, and the answers of a model that is `temperature` times too sure."""
    rng = np.random.default_rng(0)
    honest = rng.dirichlet([0.7, 0.7, 0.7], photos)
    targets = np.array([rng.choice(3, p=row) for row in honest])
    return with_temperature(honest, 1 / temperature), targets


def test_recall_is_per_true_class_and_its_mean_ignores_how_many_photos_each_has() -> None:
    scores = classification_scores(sure([0, 0, 0, 0, 1]), np.array([0, 0, 0, 1, 1]))
    assert scores.recall[:2] == (1.0, 0.5)
    assert scores.macro_recall == pytest.approx(0.75)
    assert scores.accuracy == pytest.approx(0.8)
    assert scores.confusion == ((3, 0, 0), (1, 1, 0), (0, 0, 0))


def test_a_class_without_photos_does_not_count_in_the_mean() -> None:
    scores = classification_scores(sure([0, 1]), np.array([0, 1]))
    assert np.isnan(scores.recall[2])
    assert scores.macro_f1 == 1.0


def test_balanced_loss_weighs_classes_equally_and_plain_loss_photos() -> None:
    probabilities = np.array([[0.9, 0.1]] * 9 + [[0.5, 0.5]])
    targets = np.array([0] * 9 + [1])
    assert balanced_log_loss(probabilities, targets) == pytest.approx((-np.log(0.9) - np.log(0.5)) / 2)
    assert log_loss(probabilities, targets) == pytest.approx((-9 * np.log(0.9) - np.log(0.5)) / 10)


def test_calibration_error_is_the_gap_between_confidence_and_accuracy() -> None:
    assert expected_calibration_error(sure([0] * 10), np.array([0] * 5 + [1] * 5)) == pytest.approx(0.4)


def test_accuracy_at_coverage_keeps_the_surest_photos() -> None:
    probabilities = np.concatenate([sure([0], 0.5), sure([0] * 9, 0.9)])
    targets = np.array([1] + [0] * 9)
    assert accuracy_at_coverage(probabilities, targets, 1.0) == pytest.approx(0.9)
    assert accuracy_at_coverage(probabilities, targets, 0.9) == 1.0


def test_the_bootstrap_interval_holds_the_figure_and_narrows_with_more_photos() -> None:
    def width(photos: int) -> float:
        probabilities, targets = sampled(1.0, photos)
        right = probabilities.argmax(axis=1) == targets
        low, high = bootstrap_intervals({"accuracy": lambda rows: float(right[rows].mean())}, targets)["accuracy"]
        assert low <= classification_scores(probabilities, targets).accuracy <= high
        return high - low

    assert width(2000) < width(100) / 2


def test_a_figure_without_a_value_for_some_draw_has_no_interval() -> None:
    figures = {"never": lambda rows: None, "always": lambda rows: 1.0}
    assert bootstrap_intervals(figures, [0, 0, 1]) == {"always": [1.0, 1.0]}


def test_an_interval_of_a_share_says_how_little_few_photos_prove() -> None:
    assert wilson_interval(3, 3) == [0.4385, 1.0]
    assert wilson_interval(0, 3)[0] == 0.0
    assert wilson_interval(900, 1000) == pytest.approx([0.88, 0.917], abs=1e-3)


def test_the_reliability_bins_hold_every_photo_and_give_the_calibration_error() -> None:
    probabilities, targets = sampled(2.0, 500)
    bins = reliability(probabilities, targets)
    assert sum(each.photos for each in bins) == 500
    gaps = sum(each.photos * abs(each.confidence - each.accuracy) for each in bins) / 500
    assert expected_calibration_error(probabilities, targets) == pytest.approx(gaps)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_the_temperature_that_makes_answers_honest_is_found(temperature: float) -> None:
    probabilities, targets = sampled(temperature)
    found = best_temperature(probabilities, targets)
    assert found == pytest.approx(temperature, rel=0.1)
    assert expected_calibration_error(with_temperature(probabilities, found), targets) < 0.03


def test_a_temperature_changes_no_label() -> None:
    probabilities, _ = sampled(1.0, 200)
    assert (with_temperature(probabilities, 3.0).argmax(axis=1) == probabilities.argmax(axis=1)).all()


def test_a_class_that_is_often_wrong_at_low_confidence_gets_a_higher_threshold() -> None:
    reliable = sure([0] * 60, 0.6)
    doubtful = np.concatenate([sure([1] * 40, 0.5), sure([1] * 60, 0.95)])
    targets = np.array([0] * 60 + [2] * 30 + [1] * 70)
    low, high, _ = class_thresholds(np.concatenate([reliable, doubtful]), targets)
    assert low < 0.6
    assert 0.5 < high <= 0.95


def test_a_threshold_never_gives_up_most_right_answers() -> None:
    probabilities = sure([0] * 100, 0.7)
    (threshold, *_) = class_thresholds(probabilities, np.array([0] * 50 + [1] * 50))
    assert threshold <= 0.7


def test_the_margin_stays_in_its_range() -> None:
    close = np.array([[0.505, 0.495, 0.0]] * 20)
    assert ambiguous_margin(close, np.zeros(20, dtype=np.int64)) == pytest.approx(0.05)
    assert ambiguous_margin(sure([0] * 20, 0.99), np.zeros(20, dtype=np.int64)) == pytest.approx(0.2)


def test_references_lie_where_the_photos_lie() -> None:
    rng = np.random.default_rng(0)
    clusters = np.eye(8)[[0, 3, 5]].astype(np.float32)
    features = np.concatenate([cluster * 7 + rng.normal(0, 0.05, (50, 8)) for cluster in clusters]).astype(np.float32)
    references = reference_features(features, 3)
    assert references.shape == (3, 8)
    assert distances(features, references).max() < 0.01
    assert distances(np.eye(8, dtype=np.float32)[[1]], references)[0] > 0.9


def test_references_are_the_same_for_the_same_seed() -> None:
    features = np.random.default_rng(1).normal(size=(100, 16)).astype(np.float32)
    assert (reference_features(features, 8, seed=5) == reference_features(features, 8, seed=5)).all()
