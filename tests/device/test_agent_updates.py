"""An update as it should go: what is promoted is fetched, tested, activated and proved, and told as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any, List

import pytest

from device.camera import Camera, CameraError
from device.durable import write_whole
from device.runtime.artifact import pack
from tests.device.agents import Made, Running, until
from tests.device.service_stand_in import Service
from tests.device.test_awscam_engine import camera_model


def test_a_promoted_model_is_fetched_tested_activated_and_proved(tmp_path: Path, service: Service, first: Made) -> None:
    digest = service.promote(*first)
    with Running(tmp_path, service.stand_in.url) as running:
        until(lambda: service.verified and not running.store.pointer.provisional)
        until(lambda: running.labels.get("landfill", 0) > 3)
    assert running.loop.digest == running.store.pointer.active == digest
    stages = service.stages
    assert stages[: stages.index("proving") + 1] == ["downloading", "self_test", "proving"]
    assert [report["sequence"] for report in service.reports] == list(range(1, len(service.reports) + 1))
    assert not list((tmp_path / "models" / "downloads").iterdir())


def test_the_next_model_takes_over_between_two_frames(
    tmp_path: Path, service: Service, first: Made, second: Made
) -> None:
    service.promote(*first)
    with Running(tmp_path, service.stand_in.url) as running:
        until(lambda: service.verified)
        service.verified.clear()
        digest = service.promote(*second, deployment="promotion-2")
        until(lambda: service.verified and running.labels.get("compost", 0) > 3)
    assert set(running.labels) == {"landfill", "compost"}
    assert all(seen.answer.result.label == "compost" for seen in running.seen if seen.digest == digest)
    report = service.reports[-1]
    assert report["counters"]["predictions"] < len(running.seen)


def test_every_boot_proves_again_and_names_its_predecessor(tmp_path: Path, service: Service, first: Made) -> None:
    service.promote(*first)
    for _ in range(2):
        with Running(tmp_path, service.stand_in.url) as running:
            until(lambda running=running: running.boot.id in service.verified)
    boots = list(dict.fromkeys(report["boot"] for report in service.reports))
    assert len(boots) == 2
    assert service.reports[-1]["previous_boot"] == boots[0]


def test_a_camera_without_any_model_reports_and_waits(tmp_path: Path, service: Service) -> None:
    with Running(tmp_path, service.stand_in.url) as running:
        until(lambda: len(service.reports) > 2)
        assert running.loop.digest is None
    assert "digest" not in service.reports[0]


def test_a_proof_needs_no_frames(tmp_path: Path, service: Service, first: Made) -> None:
    def never() -> Camera:
        raise CameraError("no camera today")

    service.promote(*first)
    with Running(tmp_path, service.stand_in.url, open_frames=never):
        until(lambda: service.verified)


def test_counters_go_on_over_a_restart_with_the_same_model(tmp_path: Path, service: Service, first: Made) -> None:
    service.promote(*first)
    with Running(tmp_path, service.stand_in.url) as running:
        until(lambda: service.verified and len(running.seen) > 20)
    running.agent.keep_counters()
    kept = running.loop.tally.counters()["predictions"]
    with Running(tmp_path, service.stand_in.url) as again:
        until(lambda: len(again.seen) > 2)
        assert again.loop.tally.counters()["predictions"] >= kept


def test_checks_write_nothing_while_nothing_changes(
    tmp_path: Path, service: Service, first: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every minute, for years, on a card."""
    service.promote(*first)
    written: List[str] = []

    def noted(path: Path, data: bytes) -> None:
        written.append(path.name)
        write_whole(path, data)

    with Running(tmp_path, service.stand_in.url) as running:
        until(lambda: service.verified and not running.store.pointer.provisional)
        monkeypatch.setattr("device.durable.write_whole", noted)
        heard = len(service.reports)
        until(lambda: len(service.reports) > heard + 20)
    assert written == []


def test_heartbeats_carry_scene_versions_and_outbox(tmp_path: Path, service: Service, first: Made) -> None:
    service.promote(*first)
    with Running(tmp_path, service.stand_in.url):
        until(lambda: service.verified and service.reports[-1].get("scene"))
    report = service.reports[-1]
    assert report["scene"]["brightness"] > 0
    assert report["versions"]["engine"].startswith("onnxruntime 1.")
    assert report["outbox"]["events"] == 0


def test_a_deeplens_converts_proves_and_reports_the_conversions_digest(
    tmp_path: Path, service: Service, deeplens: Any
) -> None:
    slot = camera_model(tmp_path / "model")
    archive = tmp_path / "model.tar.gz"
    pack(slot, archive)
    service.promote(archive, slot)
    with Running(tmp_path, service.stand_in.url, engine="awscam") as running:
        until(lambda: service.verified and running.labels.get("landfill", 0) > 3)
    assert len(service.reports[-1]["versions"]["ir"]) == 64
