"""The DeepLens' own program as a process, on faithful fakes of its libraries, against the real service."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from device.runtime.artifact import pack
from tests.device.models import GREEN
from tests.device.test_awscam_engine import camera_model
from tests.functional.fleet_service import FleetService
from tests.functional.service import Service, register

ROOT = Path(__file__).parents[2]
DEVICE_PYTHON = ROOT / ".venv-device" / "bin" / "python"
PYTHON = str(DEVICE_PYTHON) if DEVICE_PYTHON.exists() else sys.executable


@pytest.fixture
def fleet(empty: Service, tmp_path: Path) -> FleetService:
    return FleetService(empty, tmp_path / "models")


@pytest.fixture
def environment(fleet: FleetService, tmp_path: Path) -> dict[str, str]:
    """Of a DeepLens: its libraries can be imported, its folder for models is there, its camera sees green."""
    (tmp_path / "artifacts").mkdir()
    return {
        **os.environ,
        "PYTHONPATH": f"{ROOT}:{ROOT / 'tests' / 'device' / 'fakes'}",
        "BINSIGHT_AWSCAM_ARTIFACTS": str(tmp_path / "artifacts"),
        "BINSIGHT_AGENT": str(tmp_path / "deeplens" / "agent.json"),
        "BINSIGHT_FAKE_FRAME": " ".join(str(part) for part in reversed(GREEN)),
    }


@pytest.fixture
def enrolled(fleet: FleetService, environment: dict[str, str], tmp_path: Path) -> None:
    """By its own command with a code."""
    client, config = fleet.service.client, tmp_path / "deeplens" / "agent.json"
    client.post("/devices", {"id": "first", "fleet": "kitchen"})
    code = client.post("/fleets/kitchen/codes", {"devices": 1}).json()["code"]
    enrol = [PYTHON, "-m", "device", "enrol", str(config), "--service", fleet.url, "--engine", "awscam"]
    subprocess.run(enrol, env={**environment, "BINSIGHT_CODE": code}, check=True, capture_output=True)
    client.call("DELETE", "/devices/first")
    document = json.loads(config.read_text())
    document |= {"display": {"fifo": "stream.mjpeg"}, "keep_free_mb": 0, "results": {"frames": 1, "agree": 1}}
    config.write_text(json.dumps(document))


@contextmanager
def running(environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([PYTHON, "-m", "device.lambda_function"], env=environment)
    try:
        yield process
    finally:
        process.terminate()
        code = process.wait(120)
    assert code == 0


def until(condition: Callable[[], Any], timeout_s: float = 300.0) -> Any:
    end = time.monotonic() + timeout_s
    while not (found := condition()):
        assert time.monotonic() < end, f"it did not happen in {timeout_s} s"
        time.sleep(0.2)
    return found


@pytest.mark.usefixtures("enrolled")
def test_a_deeplens_converts_proves_and_reports_what_it_sees(
    fleet: FleetService, tmp_path: Path, environment: dict[str, str]
) -> None:
    client = fleet.service.client
    slot, archive = camera_model(tmp_path / "model"), tmp_path / "model.tar.gz"
    digest = pack(slot, archive)
    model = str(register(client, archive)["id"])
    decision = {"override": True, "reason": "a small model of the tests"}
    assert client.post(f"/models/{model}/approve", decision).status == 200
    (device,) = client.get("/devices?fleet=kitchen").json()["items"]
    assert device["engine"] == "awscam"
    fleet.deploy(model, waves=[{"percent": 100}])

    def verified() -> Any:
        fleet.service.services.deployments.tick()
        state = client.get(f"/devices/{device['id']}").json()["state"]
        return state if state and state["verified"] else None

    # Not sooner: a camera that asks before there is a promotion is told to come again in a minute.
    with running(environment) as deeplens:
        state = until(verified)
        events = until(lambda: client.get(f"/events?device={device['id']}").json()["items"])
        assert deeplens.poll() is None
    assert state["digest"] == digest
    assert state["versions"]["engine"] == "awscam 1.4.5"
    assert len(state["versions"]["ir"]) == 64
    assert events[-1]["result"]["label"] == "compost"
    assert events[-1]["model"] == digest
    # Under a name that holds the digest: no other model's conversion can be taken for it.
    converted = sorted(path.name for path in (tmp_path / "artifacts").glob("*.xml"))
    assert converted == [f"binsight-{digest}.xml"]
