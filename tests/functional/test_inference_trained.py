"""/count and /detect through networks that the project's own code trains here, on rendered bins and coins."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from device.runtime.artifact import unpack
from device.runtime.predictor import Predictor
from tests.device.models import png
from tests.functional.detector import ABLE, MOST, SIDE_PX, job_of, needs_training, trained_detector
from tests.functional.service import Service, promote, running, settings_of
from tests.functional.test_bodies import multipart, send
from training.container import evaluation
from training.datasets.rendered_bins import render_bin, write_rendered_bins
from training.datasets.rendered_coins import coin_values, render_table
from training.job import JobResult, run_job

UNSEEN = 7_000_000

pytestmark = needs_training


@dataclass(frozen=True)
class Trained:
    service: Service
    counter: JobResult
    counter_work: Path


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trained]:
    bins = tmp_path_factory.mktemp("bins")
    write_rendered_bins(bins / "photos", 320, seed=5, size_px=SIDE_PX, most_objects=MOST)
    counter = run_job(job_of(bins, "count", bins / "photos", **ABLE, label_smoothing="0"))
    detector = trained_detector(tmp_path_factory.getbasetemp()).result
    with running(settings_of(tmp_path_factory.mktemp("trained"))) as service:
        for result in (counter, detector):
            promote(service.client, result.artifact)
        yield Trained(service, counter, bins / "work")


def asked(trained: Trained, path: str, photo: Image.Image) -> dict[str, Any]:
    answer = trained.service.client.call("POST", path, png(photo))
    assert answer.status == 200, answer.body
    return dict(answer.json())


def counts_of(trained: Trained, objects: int, photos: int = 10) -> list[dict[str, Any]]:
    return [asked(trained, "/count", render_bin(UNSEEN + index, objects, SIDE_PX)) for index in range(photos)]


def test_fuller_bins_are_counted_as_fuller(trained: Trained) -> None:
    means = [
        sum(answer["expected_value"] for answer in counts_of(trained, objects)) / 10 for objects in range(MOST + 1)
    ]
    assert means == sorted(means)
    assert means[MOST] - means[0] > 1


def test_a_count_says_how_sure_it_is_and_within_what(trained: Trained) -> None:
    for answer in counts_of(trained, 2):
        probabilities = answer["probabilities"]
        assert list(probabilities) == ["0", "1", "2", "3"]
        assert sum(probabilities.values()) == pytest.approx(1, abs=1e-4)
        assert answer["label"] == str(answer["count"]) == max(probabilities, key=probabilities.get)
        low, high = answer["interval"]
        assert sum(probabilities[str(count)] for count in range(low, high + 1)) >= interval_share(trained) - 1e-5
        assert answer["expected_value"] == pytest.approx(sum(int(k) * v for k, v in probabilities.items()), abs=1e-3)


def interval_share(trained: Trained) -> float:
    """Chosen on validation photos so that four of five intervals hold the truth."""
    with tarfile.open(trained.counter.artifact) as archive:
        manifest = archive.extractfile("manifest.json")
        assert manifest is not None
        return float(json.loads(manifest.read())["decision"]["interval"])


def test_a_bin_holds_what_it_should_with_a_probability(trained: Trained) -> None:
    photo = render_bin(UNSEEN, 0, SIDE_PX)
    for expected in range(MOST + 1):
        answer = asked(trained, f"/count?expected={expected}", photo)
        assert answer["expected"]["probability"] == answer["probabilities"][str(expected)]
        assert answer["expected"]["matches"] is (answer["count"] == expected)


def test_more_than_was_ever_trained_on_cannot_be_confirmed(trained: Trained) -> None:
    answer = asked(trained, "/count?expected=8", render_bin(UNSEEN, 8, SIDE_PX))
    assert answer["expected"] == {"count": 8, "matches": None, "probability": None}


def test_what_is_beyond_the_trained_range_is_unknown(trained: Trained) -> None:
    answers = counts_of(trained, 12) + counts_of(trained, 0)
    for answer in answers:
        assert answer["unknown"] is bool(answer["reasons"])
        assert not answer["beyond_trained_range"] or "unlike_training" in answer["reasons"]
        assert not answer["beyond_trained_range"] or answer["count"] == MOST
    assert not any(answer["beyond_trained_range"] for answer in answers[10:])


def test_coins_are_found_counted_and_summed(trained: Trained) -> None:
    values, right, found = coin_values(), 0, 0
    for index in range(12):
        table = render_table(UNSEEN + index, index % (MOST + 1), SIDE_PX)
        answer = asked(trained, "/detect", table.picture)
        assert answer["sum"] == sum(values[label] * count for label, count in answer["counts"].items())
        assert len(answer["detections"]) == sum(answer["counts"].values())
        found += len(answer["detections"])
        right += len(answer["detections"]) == index % (MOST + 1)
    assert found > 0
    assert right >= 6


def test_boxes_are_given_in_shares_and_in_pixels_of_the_photo_that_was_sent(trained: Trained) -> None:
    table = render_table(UNSEEN + 2, MOST, SIDE_PX).picture.resize((400, 200))
    for detection in asked(trained, "/detect", table)["detections"]:
        box, pixels = detection["box"], detection["box_px"]
        assert 0 <= box["xmin"] < box["xmax"] <= 1
        assert 0 <= box["ymin"] < box["ymax"] <= 1
        assert pixels["xmax"] == pytest.approx(400 * box["xmax"], abs=0.1)
        assert pixels["ymax"] == pytest.approx(200 * box["ymax"], abs=0.1)


def test_a_batch_of_bins_has_a_result_each(trained: Trained) -> None:
    photos = [(f"bin-{index}.png", png(render_bin(UNSEEN + index, index % 4, SIDE_PX))) for index in range(16)]
    results = send(trained.service, multipart(*photos), "/count?expected=2").json()["results"]
    assert [result["name"] for result in results] == [name for name, _ in photos]
    assert all(result["result"]["expected"]["count"] == 2 for result in results)


def test_sagemakers_evaluation_packages_the_same_model(trained: Trained, tmp_path: Path) -> None:
    layout = trained.counter_work / "ml"
    with tarfile.open(tmp_path / "output.tar.gz", "w:gz") as archive:
        for path in sorted((layout / "model").iterdir()):
            archive.add(path, path.name)
    options = ["--task", "count", "--name", "bins", "--artifact", str(tmp_path / "output.tar.gz")]
    code = evaluation.main([*options, "--data", str(layout / "input" / "data"), "--out", str(tmp_path / "out")])
    assert code == 0
    answers = [
        answer_of(artifact, tmp_path) for artifact in (trained.counter.artifact, tmp_path / "out" / "model.tar.gz")
    ]
    assert answers[0] == answers[1]
    assert json.loads((tmp_path / "out" / "metrics.json").read_text())["test"]["task"] == "count"


def answer_of(artifact: Path, folder: Path) -> dict[str, Any]:
    unpacked = folder / artifact.parent.parent.name / artifact.parent.name
    unpack(artifact, unpacked)
    content = io.BytesIO()
    render_bin(UNSEEN, 2, SIDE_PX).save(content, "PNG")
    return dict(Predictor.load(unpacked, threads=1).predict(content.getvalue()).result.to_json())


@pytest.mark.parametrize(("members", "reason"), [((), "training.json"), (("training.json",), "train")])
def test_an_evaluation_that_lacks_its_inputs_leaves_the_reason(
    tmp_path: Path, members: tuple[str, ...], reason: str
) -> None:
    (tmp_path / "training.json").write_text("{}")
    with tarfile.open(tmp_path / "model.tar.gz", "w:gz") as archive:
        for member in members:
            archive.add(tmp_path / member, member)
    options = ["--artifact", str(tmp_path / "model.tar.gz"), "--data", str(tmp_path), "--out", str(tmp_path / "out")]
    assert evaluation.main(options) == 1
    assert reason in (tmp_path / "out" / "failure").read_text()
