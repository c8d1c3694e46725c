"""What keeps a model below its task's gate."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.domain.gate import findings
from chalicelib.domain.inference import Task

GOOD = {
    Task.CLASSIFY: {"photos": 400, "macro_recall": 0.93, "recall": {"compost": 0.92, "landfill": 0.94}},
    Task.COUNT: {"photos": 500, "rmse": 1.0, "recall": {"0": 0.6, "1": 0.5}},
    Task.DETECT: {"photos": 60, "map50": 0.9, "recall": {"1000": 0.9}},
}


def manifest(task: Task, labels: list[str] | None = None, **changes: Any) -> dict[str, Any]:
    metrics = {**GOOD[task], **changes}
    names = labels or list(metrics["recall"])
    return {"labels": [{"name": name} for name in names], "metrics": {"test": metrics}}


def rules(task: Task, own: dict[str, Any], live: dict[str, Any] | None = None) -> set[str]:
    return {finding.rule for finding in findings(task, own, live)}


@pytest.mark.parametrize("task", Task, ids=lambda task: task.value)
def test_a_good_model_passes_alone_and_beside_its_like(task: Task) -> None:
    assert findings(task, manifest(task), None) == ()
    assert findings(task, manifest(task), manifest(task)) == ()


@pytest.mark.parametrize(
    ("task", "metric", "value", "rule"),
    [
        (Task.CLASSIFY, "macro_recall", 0.7, "minimum_macro_recall"),
        (Task.COUNT, "rmse", 1.28, "maximum_rmse"),
        (Task.DETECT, "map50", 0.5, "minimum_map50"),
        (Task.CLASSIFY, "photos", 49, "minimum_test_images"),
        (Task.COUNT, "photos", 99, "minimum_test_images"),
        (Task.DETECT, "photos", 0, "minimum_test_images"),
    ],
)
def test_one_bad_figure_is_one_finding_that_says_both_numbers(task: Task, metric: str, value: float, rule: str) -> None:
    (finding,) = findings(task, manifest(task, **{metric: value}), None)
    assert (finding.rule, finding.found) == (rule, value)
    assert finding.required is not None
    assert f"{value:g}" in finding.detail


@pytest.mark.parametrize("task", Task, ids=lambda task: task.value)
def test_what_was_never_measured_does_not_pass(task: Task) -> None:
    bare = {"labels": [{"name": "compost"}]}
    found = findings(task, bare, None)
    assert len(found) == 2
    assert {finding.found for finding in found} == {None}


@pytest.mark.parametrize("odd", [True, "0.99", None, []])
def test_a_figure_that_is_no_number_was_not_measured(odd: object) -> None:
    assert rules(Task.CLASSIFY, manifest(Task.CLASSIFY, macro_recall=odd)) == {"minimum_macro_recall"}


def test_one_label_that_falls_behind_the_live_model_is_named() -> None:
    worse = manifest(Task.CLASSIFY, recall={"compost": 0.80, "landfill": 0.97})
    (finding,) = findings(Task.CLASSIFY, worse, manifest(Task.CLASSIFY))
    assert finding.rule == "maximum_recall_drop"
    assert "'compost'" in finding.detail
    assert finding.found == pytest.approx(0.12)


def test_a_drop_within_the_tolerance_passes() -> None:
    slightly = manifest(Task.CLASSIFY, recall={"compost": 0.88, "landfill": 0.94})
    assert findings(Task.CLASSIFY, slightly, manifest(Task.CLASSIFY)) == ()


def test_other_labels_than_the_live_models_are_a_finding_and_their_order_is_not() -> None:
    live = manifest(Task.CLASSIFY)
    assert rules(Task.CLASSIFY, manifest(Task.CLASSIFY, ["landfill", "compost"]), live) == set()
    assert rules(Task.CLASSIFY, manifest(Task.CLASSIFY, ["compost", "Landfill"]), live) == {"same_labels"}
