"""The learning curve: nested parts of the training photos, the same photos to measure on, a verdict in words."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from training.datasets.channel import read_channel
from training.datasets.rendered import write_rendered_waste
from training.datasets.rendered_coins import write_rendered_coins
from training.datasets.subset import choose_lines, write_subset
from training.detection.channel import read_boxed_photos
from training.extrapolation import photos_needed
from training.job import JobRequest
from training.learning_curve import CurvePoint, learning_curve, main, verdict, write_curve
from training.tasks import TASKS, PreparedData


def classified(count: int) -> list[str]:
    labels = ["rare" if number % 10 == 0 else "common" for number in range(count)]
    return [json.dumps({"source-ref": f"{n}.jpg", "label-metadata": {"class-name": x}}) for n, x in enumerate(labels)]


def point(photos: int, value: float, width: float = 0.02) -> CurvePoint:
    return CurvePoint(1.0, photos, value, [value - width, value + width])


def test_a_part_has_its_share_of_every_class_and_lies_in_every_larger_part() -> None:
    lines = classified(200)
    parts = [choose_lines(lines, share, seed=1) for share in (0.1, 0.25, 0.5, 1.0)]
    assert [len(part) for part in parts] == [20, 50, 100, 200]
    assert all(set(small) <= set(large) for small, large in pairwise(parts))
    assert Counter("rare" in line for line in parts[1])[True] == 5
    assert choose_lines(lines, 0.5, seed=2) != parts[2]


def test_the_smallest_part_still_has_every_class() -> None:
    assert sum("rare" in line for line in choose_lines(classified(60), 0.01, seed=0)) == 2


def test_frames_with_boxes_are_chosen_as_well(tmp_path: Path) -> None:
    coins = write_rendered_coins(tmp_path / "coins", 60)
    TASKS["detect"].prepare(coins, tmp_path / "rendered", tmp_path / "whole", 0)
    frames = write_subset(tmp_path / "whole", tmp_path / "part", 0.5)
    boxed = read_boxed_photos(tmp_path / "part" / "train")
    assert len(boxed.photos) == frames
    assert all(photo.path.is_file() for photo in boxed.photos)


def test_each_point_is_trained_on_more_and_measured_on_the_same(tmp_path: Path) -> None:
    photos = write_rendered_waste(tmp_path / "photos", per_label=20, side=32)
    seen: list[tuple[int, list[str]]] = []

    def measure(request: JobRequest, layout: Path, data: PreparedData) -> Mapping[str, Any]:
        channels = layout / "input" / "data"
        trained = read_channel(channels / "train")
        assert all(photo.path.is_file() for photo in trained)
        assert data.photos["train"] == len(trained)
        seen.append((len(trained), sorted(photo.path.name for photo in read_channel(channels / "test"))))
        return {
            "macro_recall": len(trained) / 100,
            "intervals_95": {"macro_recall": [0.0, 1.0]},
            "log_loss": 1 / len(trained),
        }

    request = JobRequest(tmp_path / "work", tmp_path / "out", tmp_path / "no-python", data=photos)
    points = learning_curve(request, (1.0, 0.25, 0.5), measure)
    assert [each.share for each in points] == [0.25, 0.5, 1.0]
    assert [each.log_loss for each in points] == [1 / count for count, _ in seen]
    assert [each.photos for each in points] == [count for count, _ in seen] == sorted({count for count, _ in seen})
    assert seen[0][1] == seen[1][1] == seen[2][1]


@pytest.mark.parametrize(
    ("points", "said"),
    [
        ([point(100, 0.70), point(200, 0.80)], "the curve still rises"),
        ([point(100, 0.70), point(200, 0.705)], "would help little"),
        ([point(100, 0.90), point(200, 0.85)], "would help little"),
        ([point(100, 0.70), point(200, 0.73, width=0.1)], "hold out more"),
        ([point(100, 0.70)], "no curve"),
    ],
)
def test_the_verdict_follows_the_last_step(points: list[CurvePoint], said: str) -> None:
    assert said in verdict(points)


def test_the_curve_is_written_as_figures_a_table_and_a_plot(tmp_path: Path) -> None:
    write_curve([point(100, 0.7), replace(point(200, 0.8), log_loss=0.61)], "macro_recall", tmp_path)
    document = json.loads((tmp_path / "learning-curve.json").read_text())
    assert [each["photos"] for each in document["points"]] == [100, 200]
    assert "| 200 | 0.800 | 0.780 to 0.820 | 0.610 |" in (tmp_path / "learning-curve.md").read_text()
    assert ElementTree.fromstring((tmp_path / "learning-curve.svg").read_text()).tag.endswith("svg")


def test_the_photos_that_an_aim_takes_are_read_off_the_line_over_the_doublings() -> None:
    needed = photos_needed([1000, 2000, 4000], [0.30, 0.35, 0.40], [0.0, 0.0, 0.0], aim=0.45)
    assert needed is not None
    assert (needed.photos, needed.least, needed.most) == (8000, 8000, 8000)


def test_the_less_is_known_of_the_figures_the_less_of_the_photos_they_take() -> None:
    sure, unsure = (
        photos_needed([1000, 2000, 4000], [0.30, 0.35, 0.40], [error] * 3, 0.45) for error in (0.002, 0.008)
    )
    assert sure is not None
    assert sure.most is not None
    assert unsure is not None
    assert unsure.most is not None
    assert unsure.least < sure.least < sure.photos == unsure.photos < sure.most < unsure.most


def test_figures_that_may_not_rise_at_all_name_no_upper_number() -> None:
    needed = photos_needed([1000, 2000, 4000], [0.38, 0.39, 0.40], [0.02] * 3, aim=0.45)
    assert needed is not None
    assert needed.most is None
    assert "to any number" in needed.text(0.45)


@pytest.mark.parametrize(
    ("photos", "values"), [([1000, 2000], [0.4, 0.4]), ([1000, 2000], [0.4, 0.3]), ([1000], [0.4])]
)
def test_a_curve_that_does_not_rise_takes_no_number_of_photos(photos: list[int], values: list[float]) -> None:
    assert photos_needed(photos, values, [0.01] * len(photos), aim=0.45) is None


def test_the_aim_is_written_with_the_curve(tmp_path: Path) -> None:
    told = write_curve([point(100, 0.6), point(200, 0.7)], "macro_recall", tmp_path, aim=0.9)
    document = json.loads((tmp_path / "learning-curve.json").read_text())
    assert document["aim"]["needed"]["photos"] == 800
    assert "0.9 takes about 800 photos" in told == document["verdict"]
    assert "does not reach 0.9" in write_curve([point(100, 0.7), point(200, 0.6)], "accuracy", tmp_path, aim=0.9)


def test_what_cannot_be_trained_ends_in_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--out", str(tmp_path / "out"), "--data", str(tmp_path / "nowhere")]) == 1
    assert "no curve: " in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["--out", str(tmp_path / "out"), "--shares", "0,2"])
