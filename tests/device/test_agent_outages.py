"""Network, service and camera come and go; the frames go on."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Optional

import pytest

from device.camera import Camera, CameraError
from tests.device.agents import Made, Running, until
from tests.device.http_stand_in import Told, problem
from tests.device.models import RED, plain
from tests.device.service_stand_in import Service


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


def test_a_reply_that_lacks_members_decides_nothing(tmp_path: Path, service: Service, first: Made) -> None:
    digest = service.promote(*first)
    with Running(tmp_path, service.stand_in.url) as running:
        until(lambda: service.verified)
        service.down, heard = Told(200, b"{}", {"Content-Type": "application/json"}), len(service.stand_in.asked)
        until(lambda: len(service.stand_in.asked) > heard + 6)
        assert running.loop.digest == running.store.pointer.active == digest
        service.down = None
        until(lambda: len(service.stand_in.asked) > heard + 12)


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


@pytest.mark.parametrize("digest", ["../../etc", "", "A" * 64, "a" * 65, 7])
def test_a_target_whose_digest_is_none_decides_nothing(
    tmp_path: Path, service: Service, first: Made, digest: Any
) -> None:
    service.target = {**service.target, "digest": digest, "deployment": "promotion-1"}
    with Running(tmp_path, service.stand_in.url, factory=first[0]) as running:
        until(lambda: len(service.stand_in.asked) > 3)
        assert running.loop.digest == running.store.factory
    assert not service.reports
