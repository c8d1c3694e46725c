"""Two models side by side."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.domain.comparison import compare, newcombe_interval, wilson_interval


def manifest(recall: dict[str, float], counts: dict[str, int] | None = None, **metrics: Any) -> dict[str, Any]:
    test = {"photos": 100, "recall": recall, **metrics, **({"support": counts} if counts else {})}
    return {
        "labels": [{"name": label} for label in recall],
        "training": {"dataset_fingerprint": "f"},
        "metrics": {"test": test},
    }


def test_newcombes_interval_is_that_of_the_paper() -> None:
    """Newcombe (1998), table II, case (a): 56/70 - 48/80 has the interval 0.0524 to 0.3339."""
    low, high = newcombe_interval(48 / 80, 80, 56 / 70, 70)
    assert (low, high) == (pytest.approx(0.0524, abs=5e-4), pytest.approx(0.3339, abs=5e-4))


def test_wilsons_interval_stays_between_0_and_1_at_both_ends() -> None:
    assert wilson_interval(1.0, 10) == (pytest.approx(0.7225, abs=1e-3), pytest.approx(1.0))
    assert wilson_interval(0.0, 10) == (0.0, pytest.approx(0.2775, abs=1e-3))


def test_a_difference_is_second_minus_first_with_its_interval() -> None:
    counts = {"compost": 200, "landfill": 200}
    first, second = (
        manifest({"compost": 0.7, "landfill": 0.9}, counts),
        manifest({"compost": 0.9, "landfill": 0.9}, counts),
    )
    compost, landfill = compare(first, second)["labels"]
    assert compost["difference"] == pytest.approx(0.2)
    assert compost["interval_95"][0] > 0
    assert compost["differs"] is True
    assert landfill["differs"] is False
    assert landfill["interval_95"][0] < 0 < landfill["interval_95"][1]


def test_without_counts_there_is_no_interval_and_no_claim() -> None:
    (row,) = compare(manifest({"compost": 0.7}), manifest({"compost": 0.9}))["labels"]
    assert (row["difference"], row["interval_95"], row["differs"]) == (pytest.approx(0.2), None, None)


def test_counts_are_read_from_a_confusion_matrix_by_label_too() -> None:
    confusion = {"compost": {"compost": 70, "landfill": 30}}
    one = manifest({"compost": 0.7}, confusion=confusion)
    assert compare(one, one)["labels"][0]["interval_95"] is not None


def test_a_label_of_only_one_model_has_no_difference() -> None:
    answer = compare(manifest({"compost": 0.7}), manifest({"glass": 0.9}))
    assert answer["same_labels"] is False
    assert [(row["label"], row["first"], row["second"], row["difference"]) for row in answer["labels"]] == [
        ("compost", 0.7, None, None),
        ("glass", None, 0.9, None),
    ]


def test_flat_figures_are_compared_where_both_have_them() -> None:
    answer = compare(manifest({}, ece=0.03, accuracy=0.9), manifest({}, ece=0.02))
    assert answer["metrics"] == {"ece": {"first": 0.03, "second": 0.02, "difference": -0.01}}
    assert answer["same_test_split"] is True
