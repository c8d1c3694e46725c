"""Plots are whole SVG pictures with what they should show in them."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from training.plots.chart import Axes, ticks
from training.plots.confusion import confusion_plot
from training.plots.counts import count_plot
from training.plots.coverage import coverage_plot
from training.plots.learning import learning_plot
from training.plots.precision_recall import precision_recall_plot
from training.plots.recall import recall_plot
from training.plots.reliability import reliability_plot

SVG = "{http://www.w3.org/2000/svg}"


def texts(svg: str) -> list[str]:
    return [each.text or "" for each in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def count(svg: str, tag: str) -> int:
    return len(list(ElementTree.fromstring(svg).iter(f"{SVG}{tag}")))


@pytest.mark.parametrize(
    ("span", "expected"),
    [
        ((0, 1), [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        ((-0.5, 5.5), [0, 1, 2, 3, 4, 5]),
        ((0, 2700), [0, 500, 1000, 1500, 2000, 2500]),
        ((0.95, 1), [0.95, 0.96, 0.97, 0.98, 0.99, 1.0]),
    ],
)
def test_ticks_are_round_and_few(span: tuple[float, float], expected: list[float]) -> None:
    assert ticks(span) == pytest.approx(expected)


def test_a_value_lies_where_the_axes_say() -> None:
    axes = Axes("x", "y", (0, 10), (0, 1))
    assert axes.x(0) < axes.x(5) < axes.x(10)
    assert axes.y(1) < axes.y(0)
    assert axes.x(5) == pytest.approx((axes.x(0) + axes.x(10)) / 2)


def test_a_confusion_matrix_shows_every_number_and_label() -> None:
    found = texts(confusion_plot(["a<b", "c"], [[5, 1], [0, 7]]))
    assert {"a<b", "c", "5", "1", "0", "7"} <= set(found)


def test_a_long_label_is_cut() -> None:
    found = texts(confusion_plot(["a very long label of a class", "c"], [[5, 1], [0, 7]]))
    assert any(text.endswith("\u2026") for text in found)


def test_the_reliability_diagram_has_a_dot_a_bin_and_joins_no_bin_of_luck() -> None:
    svg = reliability_plot([[50, 0.5, 0.4], [2, 0.9, 1.0]], [[52, 0.7, 0.7]])
    assert count(svg, "circle") == 3
    lines = [each.get("points", "") for each in ElementTree.fromstring(svg).iter(f"{SVG}polyline")]
    assert [len(line.split()) for line in lines] == [2, 1, 1]


def test_each_of_the_other_plots_is_a_picture() -> None:
    rows = [{"label": "a", "photos": 9, "recall": 0.5, "recall_95": [0.3, 0.7]}]
    assert "50.0% of 9" in texts(recall_plot(rows))
    assert count(coverage_plot([[1.0, 0.8], [0.5, 1.0]]), "circle") == 2
    counts = [{"count": c, "photos": 4, "mean_expected": c + 0.1, "deviation": 0.3} for c in range(6)]
    assert count(count_plot(counts), "circle") == 6
    assert {"one", "two"} <= set(texts(precision_recall_plot({"one": [[0.1, 1.0], [1.0, 0.9]], "two": []})))
    learned = [{"photos": n, "value": n / 1000, "interval_95": [n / 2000, n / 900]} for n in (100, 200, 400)]
    assert count(learning_plot(learned, "macro recall"), "circle") == 3


def test_a_counter_of_one_count_still_has_axes() -> None:
    assert count(count_plot([{"count": 0, "photos": 4, "mean_expected": 0.1, "deviation": 0.0}]), "circle") == 1
