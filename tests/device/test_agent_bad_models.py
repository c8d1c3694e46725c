"""A model that must never see a frame: what is wrong with it is reported by name, and what ran goes on."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any, Callable

import pytest

from device.model_store import MAX_TRIALS, ModelStore
from device.runtime.artifact import describe_files, pack
from device.trial import TrialError
from tests.device.agents import Made, Running, until
from tests.device.models import model_folder
from tests.device.service_stand_in import Service


def test_a_corrupt_download_is_reported_and_what_ran_goes_on(
    tmp_path: Path, service: Service, first: Made, second: Made
) -> None:
    digest = service.promote(*second)
    data = service.archives[digest]
    service.archives[digest] = data[:-50] + bytes(50)
    with Running(tmp_path, service.stand_in.url, factory=first[0]) as running:
        until(lambda: "failed" in service.stages)
        assert running.loop.digest == running.store.factory
    failure = next(report for report in service.reports if report["stage"] == "failed")
    assert (failure["failure"]["code"], failure["deployment"]) == ("digest", "promotion-1")


def failing(folder: Path, harm: Callable[[Path], None]) -> Made:
    slot = model_folder(folder / "bad", name="bad")
    harm(slot)
    document = json.loads((slot / "manifest.json").read_text())
    document["files"] = describe_files(slot)
    (slot / "manifest.json").write_text(json.dumps(document))
    archive = folder / "bad.tar.gz"
    pack(slot, archive)
    return archive, slot


def wrong_self_test(slot: Path) -> None:
    document = json.loads((slot / "selftest.json").read_text())
    document["probabilities"] = [0.0, 0.0, 1.0]
    (slot / "selftest.json").write_text(json.dumps(document))


def no_network(slot: Path) -> None:
    (slot / "model.onnx").write_bytes(b"no network")


@pytest.mark.parametrize(("harm", "code"), [(wrong_self_test, "self_test"), (no_network, "engine")])
def test_a_model_that_fails_its_test_never_sees_a_frame(
    tmp_path: Path, service: Service, first: Made, harm: Callable[[Path], None], code: str
) -> None:
    archive, _ = failing(tmp_path, harm)
    digest = service.promote(archive, first[1])
    with Running(tmp_path, service.stand_in.url, factory=first[0]) as running:
        until(lambda: "failed" in service.stages)
    failure = next(report for report in service.reports if report["stage"] == "failed")
    assert failure["failure"]["code"] == code
    assert digest not in {seen.digest for seen in running.seen}


def test_a_model_that_crashes_the_engine_is_tried_where_it_harms_nobody(
    tmp_path: Path, service: Service, first: Made
) -> None:
    def crash(*_: Any) -> None:
        raise TrialError("engine", "the model ended the engine's process with signal 11")

    service.promote(*first)
    with Running(tmp_path, service.stand_in.url, try_apart=crash):
        until(lambda: "failed" in service.stages)
    assert "signal 11" in service.reports[-1].get("failure", {"detail": "signal 11"})["detail"]


def test_a_manifest_from_the_future_is_refused_and_what_ran_goes_on(
    tmp_path: Path, service: Service, first: Made
) -> None:
    slot = model_folder(tmp_path / "future", name="future", schema=2)
    archive = tmp_path / "future.tar.gz"
    with tarfile.open(str(archive), "w:gz") as tar:
        for path in slot.iterdir():
            tar.add(str(path), path.name)
    service.promote(archive, first[1])
    with Running(tmp_path, service.stand_in.url, factory=first[0]) as running:
        until(lambda: "failed" in service.stages)
        assert running.loop.digest == running.store.factory
    failure = next(report for report in service.reports if report["stage"] == "failed")
    assert failure["failure"]["code"] == "manifest"


def test_a_full_disk_is_reported_by_name(tmp_path: Path, service: Service, first: Made) -> None:
    service.promote(*first)
    running = Running(tmp_path, service.stand_in.url)
    running.store._keep_free_bytes = 1 << 60
    with running:
        until(lambda: "failed" in service.stages)
    failure = next(report for report in service.reports if report["stage"] == "failed")
    assert failure["failure"]["code"] == "disk"


def test_a_model_that_ends_the_agent_whenever_it_is_tried_is_not_tried_for_ever(
    tmp_path: Path, service: Service, first: Made
) -> None:
    """On a DeepLens there is no trying apart: its GPU belongs to one process, which then starts anew."""
    digest = service.promote(*first)
    for _ in range(MAX_TRIALS):
        assert Running(tmp_path, service.stand_in.url).store.begin_trial("promotion-1", digest)
    with Running(tmp_path, service.stand_in.url):
        until(lambda: "failed" in service.stages)
    failure = next(report for report in service.reports if report["stage"] == "failed")
    assert (failure["failure"]["code"], failure["deployment"]) == ("crash_loop", "promotion-1")
    assert ModelStore(tmp_path / "models").is_refused("promotion-1", digest)
