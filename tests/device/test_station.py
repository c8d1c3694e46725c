"""The camera as its program runs it: from agent.json to events at the service, and the commands beside."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, Tuple

import numpy as np
import pytest

from device.__main__ import main
from device.config import example, read_config
from device.engine_choice import EngineChoice
from device.runtime.artifact import pack
from device.station import Station
from device.trial import TrialError, try_apart
from tests.device.agents import until
from tests.device.http_stand_in import StandIn, Told, problem
from tests.device.models import GREEN, RED, model_folder, plain, png
from tests.device.service_stand_in import Service
from tests.device.test_awscam_engine import camera_model

ROOT = Path(__file__).parent.parent.parent


def agent_json(folder: Path, service: Service, **changes: Any) -> Path:
    photos = folder / "photos"
    photos.mkdir(exist_ok=True)
    for name, color in (("a", RED), ("b", RED), ("c", RED), ("d", GREEN), ("e", GREEN), ("f", GREEN)):
        (photos / (name + ".png")).write_bytes(png(plain(color)))
    (folder / "device.key").write_text("bsd_kitchen-1_secret")
    document: Dict[str, Any] = {
        **example(service.stand_in.url, "kitchen-1"),
        "camera": {"kind": "folder", "path": "photos", "fps": 50},
        "results": {"frames": 3, "agree": 3},
        "display": None,
        "keep_free_mb": 0,
    }
    path = folder / "agent.json"
    path.write_text(json.dumps({**document, **changes}))
    return path


def promoted(folder: Path, service: Service) -> Tuple[Path, Path]:
    slot = model_folder(folder / "model")
    archive = folder / "model.tar.gz"
    pack(slot, archive)
    service.promote(archive, slot)
    return archive, slot


def hurried(station: Station) -> Station:
    """It looks for events to post at once, instead of every two seconds."""
    station.poster._idle_s = 0.02
    return station


def test_a_camera_fetches_its_model_proves_it_and_reports_what_happens(tmp_path: Path, service: Service) -> None:
    promoted(tmp_path, service)
    station = hurried(Station(read_config(agent_json(tmp_path, service))))
    station.start()
    until(lambda: len(service.events) >= 4 and service.verified)
    station.stop()
    labels = [event["result"]["label"] for event in service.events[:4]]
    assert labels in (["landfill", "compost"] * 2, ["compost", "landfill"] * 2)
    assert [event["sequence"] for event in service.events[:4]] == [1, 2, 3, 4]


def test_a_deeplens_uses_its_own_camera_and_gpu(
    tmp_path: Path, service: Service, deeplens: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    slot = camera_model(tmp_path / "model")
    pack(slot, tmp_path / "model.tar.gz")
    service.promote(tmp_path / "model.tar.gz", slot)
    noise = itertools.count()

    def newer_frame() -> Tuple[bool, Any]:
        """As a sensor's: none is like the one before, which would be waited for."""
        frame = np.full((48, 64, 3), (20, 230, 20), dtype=np.uint8)
        frame[0, 0] = next(noise) % 256
        return True, frame

    monkeypatch.setattr(deeplens, "getLastFrame", newer_frame)
    changes: Dict[str, Any] = {"engine": "awscam", "camera": {"kind": "awscam"}}
    station = hurried(Station(read_config(agent_json(tmp_path, service, **changes))))
    station.start()
    until(lambda: service.events and service.verified)
    station.stop()
    assert service.events[0]["result"]["label"] == "compost"


def test_an_output_that_cannot_be_had_is_left_out(
    tmp_path: Path, service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("mine")
    config = agent_json(tmp_path, service, display={"fifo": str(tmp_path / "file")})
    Station(read_config(config))
    assert "another file" in caplog.text


def test_the_program_runs_until_it_is_told_to_stop(tmp_path: Path, service: Service) -> None:
    promoted(tmp_path, service)
    command = [sys.executable, "-m", "device", str(agent_json(tmp_path, service))]
    process = subprocess.Popen(command, cwd=str(ROOT), stderr=subprocess.PIPE)
    until(lambda: len(service.events) >= 2, 120)
    process.send_signal(signal.SIGTERM)
    _, output = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert b"secret" not in output


def test_a_thread_that_crashes_ends_the_process(tmp_path: Path, service: Service) -> None:
    """A camera that looks alive and sees nothing is worse than one that starts again."""
    promoted(tmp_path, service)
    station = Station(read_config(agent_json(tmp_path, service)), (lambda seen: seen.nothing,))  # type: ignore[attr-defined]
    station.start()
    assert station.crashed.wait(120)
    station.stop()


def test_a_killed_camera_goes_on_with_its_model_and_loses_no_event(tmp_path: Path, service: Service) -> None:
    promoted(tmp_path, service)
    config = agent_json(tmp_path, service)
    for _ in range(2):
        heard = len(service.events)
        process = subprocess.Popen(
            [sys.executable, "-m", "device", str(config)], cwd=str(ROOT), stderr=subprocess.DEVNULL
        )
        until(lambda heard=heard: len(service.events) >= heard + 2, 120)
        process.kill()
        process.wait()
    station = hurried(Station(read_config(config)))
    station.start()
    until(lambda: service.reports[-1]["boot"] == station.boot.id)
    until(lambda: any(event["boot"] == station.boot.id for event in service.events))
    station.stop()
    assert service.reports[-1]["previous_boot"] is not None
    boots = {event["boot"] for event in service.events}
    assert len(boots) >= 2
    for boot in boots:
        numbers = {event["sequence"] for event in service.events if event["boot"] == boot}
        assert numbers == set(range(1, max(numbers) + 1))


def test_a_model_is_tried_in_a_process_of_its_own(tmp_path: Path) -> None:
    slot = model_folder(tmp_path / "model")
    try_apart(slot, EngineChoice(threads=1))
    (slot / "model.onnx").write_bytes(b"no network")
    with pytest.raises(TrialError) as caught:
        try_apart(slot, EngineChoice(threads=1))
    assert "onnxruntime" in str(caught.value)


def test_a_process_that_a_model_kills_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    crashing = tmp_path / "python"
    crashing.write_text("#!/bin/sh\nkill -SEGV $$\n")
    crashing.chmod(0o755)
    monkeypatch.setattr("device.trial.sys.executable", str(crashing))
    with pytest.raises(TrialError, match="signal 11") as caught:
        try_apart(tmp_path, EngineChoice())
    assert caught.value.code == "engine"


def test_a_factory_model_is_pinned_by_hand(
    tmp_path: Path, service: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    archive, _ = promoted(tmp_path, service)
    config = agent_json(tmp_path, service)
    assert main(["install-factory", str(config), str(archive)]) == 0
    assert Station(read_config(config)).store.begin() == service.target["digest"]


def test_frames_are_captured_by_hand_under_the_next_number(
    tmp_path: Path, service: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    config = agent_json(tmp_path, service)
    for _ in range(2):
        assert main(["capture", str(config), str(tmp_path / "taken")]) == 0
    taken = ["frame-000001.jpg", "frame-000002.jpg"]
    assert sorted(path.name for path in (tmp_path / "taken").iterdir()) == taken
    for name in ("frame-000007 (copy).jpg", "frame-9-old.jpg", "frame-000011.txt"):
        (tmp_path / "taken" / name).write_bytes(b"not ours")
    assert main(["capture", str(config), str(tmp_path / "taken")]) == 0
    assert (tmp_path / "taken" / "frame-000003.jpg").exists()


def test_the_doctor_finds_everything_well(tmp_path: Path, service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["doctor", str(agent_json(tmp_path, service))])
    output = capsys.readouterr().out
    assert code == 0, output
    for what in ("python", "config", "key", "engine", "camera", "disk", "ca", "name", "service", "clock"):
        assert "ok   %s" % what in output
    assert "secret" not in output


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"camera": {"kind": "awscam"}}, "BAD  camera"),
        ({"camera": {"kind": "awscam"}}, "BAD  awscam"),
        ({"engine": "mxnet"}, "BAD  engine"),
        ({"ca_file": "nowhere.pem"}, "BAD  ca"),
        ({"key_file": "nowhere"}, "BAD  config"),
        ({"keep_free_mb": 1_000_000}, "BAD  disk"),
    ],
)
def test_the_doctor_names_what_is_bad(
    tmp_path: Path, service: Service, capsys: pytest.CaptureFixture[str], changes: Dict[str, Any], named: str
) -> None:
    assert main(["doctor", str(agent_json(tmp_path, service, **changes))]) == 1
    assert named in capsys.readouterr().out


def test_the_doctor_names_a_wrong_key_and_a_wrong_clock(
    tmp_path: Path, service: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    refusal = problem(401, "invalid-key", "no such key")
    service.down = Told(401, refusal.body, {**refusal.headers, "Date": "Thu, 01 Jan 2015 00:00:00 GMT"})
    assert main(["doctor", str(agent_json(tmp_path, service))]) == 1
    output = capsys.readouterr().out
    assert "BAD  service    the service does not know this key, or has revoked it; enrol the camera again" in output
    assert "BAD  clock" in output


@pytest.mark.parametrize("umask", [0o022, 0o000])
def test_a_key_that_is_enrolled_can_be_read_by_its_owner_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, umask: int
) -> None:
    answer = {"id": "kitchen-1", "key": "bsd_kitchen-1_secret"}
    monkeypatch.setenv("BINSIGHT_CODE", "bse_1_secret")
    before = os.umask(umask)
    try:
        with StandIn(lambda asked: Told(201, json.dumps(answer).encode())) as stand_in:
            assert main(["enrol", str(tmp_path / "new" / "agent.json"), "--service", stand_in.url]) == 0
    finally:
        os.umask(before)
    for name in ("device.key", "agent.json"):
        assert (tmp_path / "new" / name).stat().st_mode & 0o077 == 0


def test_no_code_is_used_up_for_a_key_that_could_be_kept_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "settings").write_text("a file in the folder's place")
    monkeypatch.setenv("BINSIGHT_CODE", "bse_1_secret")
    with StandIn(lambda asked: Told(500)) as stand_in:
        assert main(["enrol", str(tmp_path / "settings" / "agent.json"), "--service", stand_in.url]) == 1
    assert stand_in.asked == []
    assert capsys.readouterr().err.startswith("device: ")


def test_a_camera_that_is_enrolled_anew_has_its_new_name_and_its_old_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BINSIGHT_CODE", "bse_1_secret")
    config = tmp_path / "agent.json"
    names = iter(("kitchen-1", "kitchen-2"))

    def answer(asked: Any) -> Told:
        name = next(names)
        return Told(201, json.dumps({"id": name, "key": "bsd_%s_secret" % name}).encode())

    with StandIn(answer) as stand_in:
        for _ in range(2):
            assert main(["enrol", str(config), "--service", stand_in.url]) == 0
            document = json.loads(config.read_text())
            config.write_text(json.dumps({**document, "camera": {"kind": "folder", "path": "photos"}}))
    known = read_config(config)
    assert (known.device, known.camera.kind) == ("kitchen-2", "folder")


def test_what_cannot_run_says_why_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "agent.json")]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_a_camera_whose_library_is_missing_does_not_begin(
    tmp_path: Path, service: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(agent_json(tmp_path, service, camera={"kind": "awscam"}))]) == 1
    assert "DeepLens" in capsys.readouterr().err
