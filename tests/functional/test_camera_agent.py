"""The camera's real agent against the real service: enrolled by code, promoted to, proved, watched, taken back."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from device.__main__ import main
from device.config import read_config
from device.station import Station
from tests.device.models import GREEN, RED, plain, png
from tests.functional.fleet_service import FleetService
from tests.functional.service import Service


@pytest.fixture
def fleet(empty: Service, tmp_path: Path) -> FleetService:
    return FleetService(empty, tmp_path / "models")


@pytest.fixture
def camera(fleet: FleetService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Station]:
    """Enrolled with a code, as `python -m device enrol` does it, on a folder of photos."""
    client = fleet.service.client
    client.post("/devices", {"id": "first", "fleet": "kitchen"})
    monkeypatch.setenv("BINSIGHT_CODE", client.post("/fleets/kitchen/codes", {"devices": 1}).json()["code"])
    config = tmp_path / "camera" / "agent.json"
    assert main(["enrol", str(config), "--service", fleet.url]) == 0
    photos = tmp_path / "camera" / "photos"
    photos.mkdir()
    for at, color in enumerate((RED, RED, RED, GREEN, GREEN, GREEN)):
        (photos / f"{at}.png").write_bytes(png(plain(color)))
    document = json.loads(config.read_text())
    document |= {"camera": {"kind": "folder", "path": "photos", "fps": 20}, "display": None, "keep_free_mb": 0}
    document |= {"results": {"frames": 3, "agree": 3, "thumbnail_px": 32}}
    config.write_text(json.dumps(document))
    client.call("DELETE", "/devices/first")
    station = Station(read_config(config))
    station.updates._back_off._most_s = 0.2
    station.poster._idle_s = 0.05
    station.start()
    yield station
    station.stop()


def until(condition: Callable[[], Any], timeout_s: float = 300.0) -> None:
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, f"it did not happen in {timeout_s} s"
        time.sleep(0.05)


def hurried(station: Station) -> None:
    """A fleet of one asks as often as the service allows; the test does not wait even that long."""
    station.agent.wait = lambda pause_s: time.sleep(min(pause_s, 0.05))  # type: ignore[method-assign]


def test_a_camera_runs_what_is_promoted_proves_it_and_goes_back_when_it_is_taken_back(
    fleet: FleetService, camera: Station
) -> None:
    hurried(camera)
    client, services = fleet.service.client, fleet.service.services
    device = client.get("/devices?fleet=kitchen").json()["items"][0]["id"]

    def state() -> Any:
        services.deployments.tick()
        return client.get(f"/devices/{device}").json()["state"]

    good = fleet.deploy(fleet.model("good"))
    until(lambda: (state() or {}).get("verified") and fleet.get(good)["state"] == "succeeded")
    until(lambda: client.get(f"/events?device={device}").json()["items"])
    event = client.get(f"/events?device={device}").json()["items"][-1]
    assert event["result"]["label"] in ("landfill", "compost")
    assert event["thumbnail"]
    assert state()["scene"]["brightness"] > 0
    other = fleet.deploy(fleet.model("other"), waves=[{"percent": 100, "soak_s": 600}])
    until(lambda: state()["verified"] and camera.loop.digest != event["model"])
    assert client.post(f"/deploy/{other['id']}/abort", {"reason": "the test's"}).status < 300
    until(lambda: state()["verified"] and fleet.get(other)["state"] == "reverted")
    assert camera.loop.digest == event["model"]
