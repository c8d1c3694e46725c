"""Figures, intervals and calibration of counts, on cases small enough to do by hand."""

import numpy as np
import pytest

from device.runtime.decision import _shortest_interval
from training.counting.calibration import choose_beyond_probability, choose_interval_share, count_decision
from training.counting.metrics import (
    count_scores,
    expected_coverage,
    interval_coverage,
    ranked_probability_score,
    shortest_intervals,
)


def one_hot(*counts: int, columns: int = 6) -> np.ndarray:
    return np.eye(columns)[list(counts)]


def some_probabilities(rows: int, seed: int = 0) -> np.ndarray:
    return np.random.RandomState(seed).dirichlet(np.ones(6), size=rows)


def test_rmse_is_that_of_the_expected_value_and_accuracy_that_of_the_likeliest_count() -> None:
    probabilities = np.array([[0.0, 0.6, 0.0, 0.4]])
    scores = count_scores(probabilities, np.array([2]))
    assert scores.rmse == pytest.approx(0.2)
    assert (scores.accuracy, scores.within_one) == (0.0, 1.0)


def test_right_and_sure_answers_have_no_error() -> None:
    scores = count_scores(one_hot(0, 3, 5), np.array([0, 3, 5]))
    assert (scores.accuracy, scores.rmse, scores.ranked_probability_score) == (1.0, 0.0, 0.0)


def test_counts_may_begin_elsewhere_than_at_zero() -> None:
    scores = count_scores(one_hot(0, 1, columns=3), np.array([4, 5]), counts=np.array([4, 5, 6]))
    assert (scores.accuracy, scores.mean_error) == (1.0, 0.0)


def test_the_ranked_score_grows_with_how_far_off_a_guess_is() -> None:
    values = np.arange(6)
    near, far = (ranked_probability_score(one_hot(count), np.array([3]), values) for count in (4, 0))
    assert (near, far) == (1.0, 3.0)


def test_the_interval_is_the_shortest_range_that_holds_enough() -> None:
    probabilities = np.array([[0.1, 0.5, 0.3, 0.1, 0.0, 0.0], [0.3, 0.0, 0.0, 0.0, 0.3, 0.4]])
    assert shortest_intervals(probabilities, 0.8).tolist() == [[1, 2], [0, 5]]
    assert interval_coverage(probabilities, np.array([3, 5]), 0.8) == pytest.approx(0.5)


@pytest.mark.parametrize("share", [0.5, 0.66, 0.8, 1.0])
def test_intervals_are_those_the_runtime_answers_with(share: float) -> None:
    probabilities = some_probabilities(200)
    intervals = shortest_intervals(probabilities, share)
    for row, interval in zip(probabilities, intervals, strict=True):
        assert tuple(interval) == _shortest_interval(range(6), row, share)


def test_the_share_is_chosen_so_that_the_wanted_part_of_the_intervals_holds_the_truth() -> None:
    probabilities = some_probabilities(4000)
    random = np.random.RandomState(1)
    targets = np.array([random.choice(6, p=row) for row in probabilities])
    share = choose_interval_share(probabilities, targets, wanted=0.8)
    assert interval_coverage(probabilities, targets, share) == pytest.approx(0.8, abs=0.02)
    assert share < 0.8  # whole numbers overshoot


def test_few_validation_photos_do_not_throw_the_intervals_off() -> None:
    probabilities = some_probabilities(6000)
    random = np.random.RandomState(2)
    targets = np.array([random.choice(6, p=row) for row in probabilities])
    parts = np.split(np.arange(6000), 20)
    shares = [choose_interval_share(probabilities[part], targets[part], wanted=0.81) for part in parts]
    held = [interval_coverage(probabilities, targets, share) for share in shares]
    assert np.std(held) < 0.7 * np.sqrt(0.81 * 0.19 / 300)  # less than counting 300 photos alone would give


def test_what_calibrated_probabilities_expect_is_what_is_held() -> None:
    probabilities = some_probabilities(6000)
    random = np.random.RandomState(3)
    targets = np.array([random.choice(6, p=row) for row in probabilities])
    for share in (0.5, 0.7):
        held = interval_coverage(probabilities, targets, share)
        assert expected_coverage(probabilities, share) == pytest.approx(held, abs=0.02)


def test_few_photos_inside_the_range_are_taken_for_beyond_it() -> None:
    probabilities = some_probabilities(2000)
    targets = probabilities.argmax(axis=1)
    limit = choose_beyond_probability(probabilities)
    flagged = (targets == 5) & (probabilities[:, 5] >= limit)
    assert 0 < flagged.sum() <= 0.05 * len(targets)


def test_the_decision_names_the_trained_range() -> None:
    probabilities = some_probabilities(300)
    decision = count_decision(probabilities, probabilities.argmax(axis=1), ("0", "1", "2", "3", "4", "5"))
    assert decision["trained_range"] == [0, 5]
    assert set(decision["thresholds"]) == {"0", "1", "2", "3", "4", "5"}
    assert 0 <= decision["ambiguous_margin"] < min(decision["thresholds"].values())
    assert 0.0 < decision["interval"] < 1.0
