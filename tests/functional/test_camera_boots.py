"""The camera's real reporter against the real service, killed again and again before it knew that it was heard."""

from pathlib import Path

import pytest

from device.boot import Boot
from device.cloud import Cloud
from device.reporter import Reporter
from device.transport import Transport
from tests.functional.service import Service


@pytest.mark.parametrize("kills", [1, 2, 4])
def test_a_camera_that_dies_before_every_answer_is_not_taken_for_a_stranger(
    empty: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kills: int
) -> None:
    key = empty.client.post("/devices", {"id": "kitchen-1", "fleet": "kitchen"}).json()["key"]
    cloud = Cloud(f"http://127.0.0.1:{empty.client.port}", "kitchen-1", key, Transport())

    def start() -> Boot:
        boot = Boot(tmp_path / "boot.json")
        Reporter(cloud, boot, dict).send("idle")
        return boot

    start()
    with monkeypatch.context() as dying:
        dying.setattr(Boot, "answered", lambda self: None)
        for _ in range(kills):
            start()
    last = start()
    assert empty.client.get("/devices/kitchen-1").json()["state"]["boot"] == last.id
