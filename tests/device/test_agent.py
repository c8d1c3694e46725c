"""The agent against a service that judges honestly: what runs is proved, what fails is taken back, frames go on."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any, Callable, Iterator, Optional, Tuple

import pytest

from device.camera import Camera, CameraError
from device.model_store import MAX_STARTS
from device.runtime.artifact import describe_files, pack
from device.trial import TrialError
from tests.device.agents import Running, until
from tests.device.http_stand_in import Told, problem
from tests.device.models import RED, model_folder, plain
from tests.device.service_stand_in import Service
from tests.device.test_awscam_engine import camera_model

Made = Tuple[Path, Path]


def packed(folder: Path, name: str, **changes: Any) -> Made:
    slot = model_folder(folder / name, name=name, **changes)
    archive = folder / (name + ".tar.gz")
    pack(slot, archive)
    return archive, slot


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return packed(tmp_path_factory.mktemp("first"), "first")


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """The same network, whose labels stand in another order."""
    names = ["compost", "recycling", "landfill"]
    labels = [{"name": name, "color": None, "value": None} for name in names]
    return packed(tmp_path_factory.mktemp("second"), "second", labels=labels)


@pytest.fixture
def service() -> Iterator[Service]:
    made = Service()
    with made.stand_in:
        yield made


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


def test_a_model_that_the_service_refuses_is_taken_back_and_not_tried_again(
    tmp_path: Path, service: Service, first: Made, second: Made
) -> None:
    good = service.promote(*first)
    with Running(tmp_path, service.stand_in.url) as running:
        until(lambda: service.verified and not running.store.pointer.provisional)
        bad = service.promote(*second, deployment="promotion-2")
        service.refuses.append(bad)
        until(lambda: "rolling_back" in service.stages and running.loop.digest == good)
        heard = len(service.reports)
        until(lambda: len(service.reports) > heard + 5)
        assert service.stages.count("proving") == 2
        assert running.store.pointer.active == good


def test_offline_the_new_model_runs_provisionally_and_is_proved_when_the_network_is_back(
    tmp_path: Path, service: Service, first: Made
) -> None:
    digest = service.promote(*first)
    with Running(tmp_path, service.stand_in.url) as running:
        until(lambda: running.loop.digest == digest)
        service.down = Told(503, b"")
    service.verified.clear()
    with Running(tmp_path, service.stand_in.url) as running:
        until(lambda: running.labels.get("landfill", 0) > 5)
        assert running.loop.digest == digest
        service.down = None
        until(lambda: running.boot.id in service.verified and not running.store.pointer.provisional)


@pytest.mark.parametrize(
    "down",
    [
        Told(500, b"<html>"),
        Told(200, b"<html>Log in</html>", {"Content-Type": "text/html"}),
        Told(302, b"", {"Location": "http://portal"}),
        problem(401, "invalid-key"),
        Told(200, b'{"half": ', {}, 3),
    ],
)
def test_whatever_the_service_answers_the_frames_go_on(
    tmp_path: Path, service: Service, first: Made, down: Told
) -> None:
    service.down = down
    with Running(tmp_path, service.stand_in.url, factory=first[0]) as running:
        until(lambda: len(running.seen) > 10 and len(service.stand_in.asked) > 3)
        service.down = None
        until(lambda: service.reports)


def test_a_download_that_breaks_off_goes_on(tmp_path: Path, service: Service, first: Made) -> None:
    service.promote(*first)
    service.cut_after = len(first[0].read_bytes()) // 3
    with Running(tmp_path, service.stand_in.url):
        until(lambda: service.verified)
    ranges = [asked.headers.get("range") for asked in service.stand_in.asked if asked.path.startswith("/files/")]
    assert ranges[0] is None
    assert len(ranges) >= 3
    assert None not in ranges[1:]


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


def test_a_reply_that_lacks_members_decides_nothing(tmp_path: Path, service: Service, first: Made) -> None:
    digest = service.promote(*first)
    with Running(tmp_path, service.stand_in.url) as running:
        until(lambda: service.verified)
        service.down, heard = Told(200, b"{}", {"Content-Type": "application/json"}), len(service.stand_in.asked)
        until(lambda: len(service.stand_in.asked) > heard + 6)
        assert running.loop.digest == running.store.pointer.active == digest
        service.down = None
        until(lambda: len(service.stand_in.asked) > heard + 12)


def test_a_full_disk_is_reported_by_name(tmp_path: Path, service: Service, first: Made) -> None:
    service.promote(*first)
    running = Running(tmp_path, service.stand_in.url)
    running.store._keep_free_bytes = 1 << 60
    with running:
        until(lambda: "failed" in service.stages)
    failure = next(report for report in service.reports if report["stage"] == "failed")
    assert failure["failure"]["code"] == "disk"


def test_a_crash_loop_rolls_back_by_itself_and_says_so(
    tmp_path: Path, service: Service, first: Made, second: Made
) -> None:
    good = service.promote(*first)
    with Running(tmp_path, service.stand_in.url) as running:
        until(lambda: service.verified and not running.store.pointer.provisional)
    running.store.stage(second[0], service.promote(*second, deployment="promotion-2"))
    running.store.activate(service.target["digest"], "promotion-2")
    for _ in range(MAX_STARTS):
        Running(tmp_path, service.stand_in.url).store.begin()
    service.reports.clear()
    with Running(tmp_path, service.stand_in.url) as running:
        until(lambda: any(report.get("failure") for report in service.reports))
        assert running.loop.digest == good
    told = next(report for report in service.reports if report.get("failure"))
    assert (told["failure"]["code"], told["deployment"]) == ("crash_loop", "promotion-2")


def test_what_is_taken_back_to_nothing_ends_at_the_factory_model(
    tmp_path: Path, service: Service, first: Made, second: Made
) -> None:
    service.promote(*second)
    with Running(tmp_path, service.stand_in.url, factory=first[0]) as running:
        until(lambda: service.verified)
        service.take_back_to_factory()
        until(lambda: running.loop.digest == running.store.factory)
        until(lambda: running.store.pointer.active is None)


def test_a_camera_without_any_model_reports_and_waits(tmp_path: Path, service: Service) -> None:
    with Running(tmp_path, service.stand_in.url) as running:
        until(lambda: len(service.reports) > 2)
        assert running.loop.digest is None
    assert "digest" not in service.reports[0]


class Unplugged(Camera):
    """Fails after three frames, as often as it is opened."""

    opened = 0

    def __init__(self) -> None:
        self.left = 3

    @classmethod
    def open(cls, options: Any = None) -> Camera:
        cls.opened += 1
        return cls()

    def next_frame(self) -> Optional[Any]:
        self.left -= 1
        if self.left < 0:
            raise CameraError("unplugged")
        return plain(RED)

    def close(self) -> None:
        return


def test_a_camera_that_is_unplugged_is_opened_again_and_the_agent_goes_on(
    tmp_path: Path, service: Service, first: Made
) -> None:
    service.promote(*first)
    with Running(tmp_path, service.stand_in.url, open_frames=Unplugged.open) as running:
        until(lambda: Unplugged.opened > 4 and service.verified and len(running.seen) > 5)


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
