"""Five trainings, every photo held out once: the figures, and how far they lie apart."""

import numpy as np
import pytest

from training.five_folds import figures_of
from training.starter.cross_validation import HeldOut


def fold(answers: list[int], truth: list[int]) -> HeldOut:
    """Sure answers of a model of two classes."""
    return HeldOut(np.eye(2)[answers] * 0.8 + 0.1, np.array(truth))


def test_the_mean_of_the_folds_stands_beside_each_of_them() -> None:
    figures = figures_of([fold([0, 1, 1, 1], [0, 0, 1, 1]), fold([0, 0, 1, 1], [0, 0, 1, 1])], ["a", "b"])
    assert figures["macro_recall_by_fold"] == [0.75, 1.0]
    assert figures["macro_recall"] == pytest.approx(0.875)
    assert figures["recall"] == {"a": 0.75, "b": 1.0}
    assert figures["photos"] == 8


def test_the_interval_is_that_of_all_held_out_photos() -> None:
    some = fold([0, 1, 1, 1] * 20, [0, 0, 1, 1] * 20)
    low, high = figures_of([some, some], ["a", "b"])["intervals_95"]["macro_recall"]
    assert low < 0.75 < high
    assert high - low < 0.2
