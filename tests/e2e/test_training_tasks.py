"""Counting and detection, from rendered photos to a packaged model that answers: the steps that `make demo` takes."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from device.runtime.artifact import unpack
from device.runtime.decision import CountDecision, DetectionDecision
from device.runtime.predictor import Predictor
from tests.functional.detector import SMALL, job_of, needs_training, trained_detector
from training.datasets.channel import read_channel
from training.datasets.photo_set import DatasetError
from training.datasets.rendered_bins import render_bin, write_rendered_bins
from training.datasets.rendered_coins import coin_values
from training.evaluate import evaluate_archive
from training.job import JobError, JobResult, run_job

SHORT = {**SMALL, "epochs": "3"}

pytestmark = needs_training


def png(image: Image.Image) -> bytes:
    content = io.BytesIO()
    image.save(content, "PNG")
    return content.getvalue()


@pytest.fixture(scope="module")
def bins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of 0 to 7 objects: six and seven are more than is trained on."""
    folder = tmp_path_factory.mktemp("bins")
    write_rendered_bins(folder, 240, seed=5, size_px=64, most_objects=7)
    return folder


@pytest.fixture(scope="module")
def counter(bins: Path, tmp_path_factory: pytest.TempPathFactory) -> JobResult:
    return run_job(job_of(tmp_path_factory.mktemp("count"), "count", bins, **SHORT))


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> JobResult:
    return trained_detector(tmp_path_factory.getbasetemp()).result


def loaded(result: JobResult, folder: Path) -> Predictor:
    unpack(result.artifact, folder / "model", result.digest)
    return Predictor.load(folder / "model", threads=1)


def test_a_packaged_counter_answers_counts_and_passes_its_self_test(counter: JobResult, tmp_path: Path) -> None:
    predictor = loaded(counter, tmp_path)
    predictor.self_test()
    result = predictor.predict(png(render_bin(9, 3, 64))).result
    assert isinstance(result, CountDecision)
    assert set(result.probabilities) == {"0", "1", "2", "3", "4", "5"}
    assert predictor.manifest.decision.trained_range == (0, 5)


def test_a_counters_figures_leave_out_photos_beyond_the_trained_range(counter: JobResult) -> None:
    figures = counter.metrics["test"]
    assert figures["beyond_range"]["photos"] == 60
    assert 0 <= figures["beyond_range"]["flagged"] <= 60
    assert figures["photos"] + 60 == len(read_channel(counter.held_out))
    assert {"accuracy", "within_one", "rmse", "interval_80_coverage", "ece"} <= set(figures)


def test_a_counter_is_evaluated_on_a_labels_file(counter: JobResult, bins: Path) -> None:
    figures = evaluate_archive(counter.artifact, bins / "labels.csv")
    assert figures["photos"] == 180
    assert figures["beyond_range"]["photos"] == 60


def test_a_packaged_detector_answers_boxes_and_passes_its_self_test(detector: JobResult, tmp_path: Path) -> None:
    predictor = loaded(detector, tmp_path)
    predictor.self_test()
    result = predictor.predict(png(Image.new("RGB", (64, 64), (90, 90, 90)))).result
    assert isinstance(result, DetectionDecision)
    assert set(result.counts) == {"one", "two", "five"}
    assert {label.name: label.value for label in predictor.manifest.labels} == coin_values()


def test_a_small_detector_may_run_on_every_engine(detector: JobResult, tmp_path: Path) -> None:
    assert loaded(detector, tmp_path).manifest.engines == ("onnxruntime", "openvino", "mxnet", "awscam")


def test_a_detectors_figures_are_the_same_in_the_job_and_on_the_same_frames_afterwards(detector: JobResult) -> None:
    figures = evaluate_archive(detector.artifact, detector.held_out)
    assert figures["map50"] == detector.metrics["test"]["map50"]
    assert {"photos", "map50", "count_right", "sum_right"} <= set(figures)


def test_a_job_without_its_labels_file_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"counting needs a labels\.csv"):
        run_job(job_of(tmp_path, "count", tmp_path, **SHORT))


def test_a_value_for_a_label_that_no_frame_has_fails_with_the_reason(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    coins = trained_detector(tmp_path_factory.getbasetemp()).photos
    with pytest.raises(JobError, match="no frame has: ten"):
        run_job(job_of(tmp_path, "detect", coins, **SHORT, options='{"values": {"ten": 10}}'))
    assert not (tmp_path / "out").exists()
