"""A disk that is full or cannot be written to, for real: a small file system in memory, where one may be mounted."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable, Iterator, Set

import pytest

from device.__main__ import main
from device.runtime.artifact import digest_of
from device.runtime.engines import EngineError
from device.runtime.predictor import Predictor
from tests.device.agents import Made, packed
from tests.device.agents import until as until_within
from tests.device.service_stand_in import Service
from tests.device.test_awscam_engine import camera_model
from tests.device.test_station import agent_json

ROOT = Path(__file__).parent.parent.parent
SIZE = "3m"
SETTINGS = {"home": "disk/home", "threads": 1, "outbox_mb": 1, "display": {"fifo": "disk/stream"}}
SAMPLING = {"samplers": ["random"], "share": 1.0, "per_hour": 3600, "per_day": 86400}


def until(condition: Callable[[], Any]) -> None:
    """Processes are started: a busy machine takes its time."""
    until_within(condition, 180.0)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=" + SIZE, "tmpfs", str(place)]
    try:
        done = subprocess.run(mount, capture_output=True)
    except OSError:
        pytest.skip("there is no mount here")
    if done.returncode != 0:
        pytest.skip("no file system may be mounted here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def filled(disk: Path) -> Path:
    """To the last byte, again when something was freed."""
    filler = disk / "filler"
    with filler.open("ab", buffering=0) as stream:
        try:
            while stream.write(bytes(4096)) == 4096:
                continue
        except OSError:
            return filler
    return filler


def started(config: Path) -> "subprocess.Popen[bytes]":
    with (config.parent / "agent.log").open("ab") as log:
        return subprocess.Popen([sys.executable, "-m", "device", str(config)], cwd=str(ROOT), stdout=log, stderr=log)


def failures(service: Service) -> Set[str]:
    return {report["failure"]["code"] for report in list(service.reports) if report.get("failure")}


def lost(service: Service) -> int:
    return int(service.reports[-1]["outbox"]["dropped_events"])


def test_on_a_full_disk_the_camera_goes_on_and_counts_what_it_loses(
    tmp_path: Path, disk: Path, service: Service, first: Made, second: Made
) -> None:
    running = service.promote(*first)
    agent = started(agent_json(tmp_path, service, capture=SAMPLING, **SETTINGS))
    try:
        until(lambda: service.verified and len(service.events) > 5 and service.frames)
        filler = filled(disk)
        service.promote(*second, deployment="promotion-2")
        # Frames that are posted leave room, in which the small model of the tests may find a place.
        until(lambda: filled(disk) and failures(service) == {"disk"} and lost(service) > 20)
        filler.unlink()
        heard = len(service.events)
        until(lambda: len(service.events) > heard + 10)
        agent.terminate()
        assert agent.wait(90) == 0
    finally:
        agent.kill()
    assert service.reports[-1]["digest"] == running
    (boot,) = service.heard
    numbers = [event["sequence"] for event in service.events]
    gone = [number for number in service.dropped[boot] if number < max(numbers)]
    assert sorted([*numbers, *gone]) == list(range(1, max(numbers) + 1))
    log = (tmp_path / "agent.log").read_text()
    assert "events are dropped, and counted" in log or "events are lost, and counted" in log
    assert "Traceback" not in log


def test_on_a_disk_that_cannot_be_written_to_the_camera_starts_proves_itself_and_says_so(
    tmp_path: Path, disk: Path, service: Service, first: Made, second: Made, capsys: Any
) -> None:
    third = packed(tmp_path, "third")
    running = service.promote(*first)
    config = agent_json(tmp_path, service, capture=SAMPLING, **SETTINGS)
    assert main(["install-factory", str(config), str(second[0])]) == 0
    agent = started(config)
    until(lambda: service.verified and service.reports[-1]["stage"] == "confirmed")
    agent.terminate()
    assert agent.wait(90) == 0
    # What a power cut leaves of a segment that was just begun: it cannot be removed either.
    (disk / "home" / "events" / "000000009999.boot-0000000000000009.1.log").write_bytes(b"")
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    service.verified.clear()
    service.reports.clear()
    agent = started(config)
    try:
        until(lambda: service.verified and lost(service) > 5)
        service.promote(*third, deployment="promotion-2")
        until(lambda: failures(service) == {"disk"})
        assert service.reports[-1]["digest"] == running
        # What is taken back goes, even if that cannot be written down.
        service.take_back_to_factory()
        until(lambda: service.reports[-1]["digest"] == digest_of(second[0]))
        agent.terminate()
        assert agent.wait(90) == 0
    finally:
        agent.kill()
    log = (tmp_path / "agent.log").read_text()
    assert log.count("events are lost, and counted: Read-only file system") == 1
    assert "Traceback" not in log
    assert main(["doctor", str(config)]) == 1
    assert "cannot be written to" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["capture", "install-factory"])
def test_a_command_for_which_there_is_no_room_says_so_in_a_line(
    tmp_path: Path, disk: Path, service: Service, first: Made, capsys: Any, command: str
) -> None:
    config = agent_json(tmp_path, service, **SETTINGS)
    (disk / "home").mkdir()
    filled(disk)
    last = str(first[0]) if command == "install-factory" else str(disk / "photos")
    assert main([command, str(config), last]) == 1
    said = capsys.readouterr().err
    assert said.startswith("device: ")
    assert "No space left" in said or "MB are free" in said


def test_a_conversion_for_which_there_is_no_room_is_an_engines_error_and_is_done_when_there_is(
    tmp_path: Path, disk: Path, deeplens: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("device.runtime.engines.awscam_engine.ARTIFACTS", disk)
    monkeypatch.setenv("BINSIGHT_AWSCAM_ARTIFACTS", str(disk))
    slot, filler = camera_model(tmp_path / "model"), filled(disk)
    with pytest.raises(EngineError, match="No space left"):
        Predictor.load(slot, "awscam")
    filler.unlink()
    Predictor.load(slot, "awscam").self_test()


def test_a_counter_that_was_half_written_is_a_first_counter(tmp_path: Path, service: Service, first: Made) -> None:
    config = agent_json(tmp_path, service)
    home = tmp_path / "home"
    home.mkdir()
    for name in ("counters.json", "boot.json"):
        (home / name).write_text(json.dumps({"digest": "a"})[:-3])
    service.promote(*first)
    agent = started(config)
    try:
        until(lambda: service.verified)
    finally:
        agent.terminate()
    assert agent.wait(90) == 0
