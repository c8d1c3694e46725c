"""An hour of 500s from the API: asked ever more seldom, kept up to the bound, counted past it, then delivered."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any, List, Mapping, Optional

from device.back_off import BackOff
from device.cloud import Cloud
from device.frame_spool import FrameSpool
from device.outbox import Outbox
from device.posting import Poster
from device.states import Check, State
from device.transport import Answer, Transport
from device.update_loop import UpdateLoop
from tests.device.agents import KEY, Made, Running, until
from tests.device.http_stand_in import Asked, Told
from tests.device.service_stand_in import Service

HOUR_S = 3600.0
BOOT = "boot-0000000000000001"


class WithoutNetwork(Transport):
    """Asks the service in this process; `asked_at_s` by a clock of the hand."""

    def __init__(self, service: Service) -> None:
        super().__init__()
        self._service = service
        self.now_s = 0.0
        self.asked_at_s: List[float] = []

    def ask(self, method: str, url: str, body: Optional[bytes], headers: Mapping[str, str]) -> Answer:
        self.asked_at_s.append(self.now_s)
        path = "/" + url.split("/", 3)[3]
        told = self._service(Asked(method, path, {name.lower(): value for name, value in headers.items()}, body or b""))
        return Answer(told.status, {name.lower(): value for name, value in told.headers.items()}, told.body)


def gaps(times: List[float]) -> List[float]:
    return [later - earlier for earlier, later in zip(times, times[1:])]


def test_events_of_an_hour_wait_within_their_bound_and_are_delivered_afterwards(
    tmp_path: Path, service: Service
) -> None:
    service.down = Told(500, b"<html>")
    network = WithoutNetwork(service)
    spool = FrameSpool(tmp_path / "frames", 20_000)
    outbox = Outbox(tmp_path / "events", BOOT, spool, 100_000, 8_192, timer=lambda: network.now_s)
    cloud = Cloud("http://127.0.0.1", "kitchen-1", KEY, network)
    poster = Poster(cloud, outbox, spool, back_off=BackOff(random.Random(1)))
    spool.put(bytes(5_000), {})
    made = 0
    while network.now_s < HOUR_S:
        for _ in range(max(1, round(poster._step()))):
            outbox.append({"text": "x" * 60})
            made, network.now_s = made + 1, network.now_s + 1.0
        assert outbox.counts()["bytes"] <= 100_000
    assert 8 <= len(network.asked_at_s) <= 20
    assert max(gaps(network.asked_at_s)) > 300
    counts = outbox.counts()
    assert counts["dropped_events"] > 1000
    assert counts["dropped_frames"] == 1
    assert counts["events"] + counts["dropped_events"] == made
    service.down = None
    while outbox.batch(1) is not None:
        network.now_s += poster._step()
    assert [event["sequence"] for event in service.events] == list(range(counts["dropped_events"] + 1, made + 1))
    assert service.dropped[BOOT] == set(range(1, counts["dropped_events"] + 1))


class Stepped:
    """An agent whose waits cost no time."""

    def __init__(self, folder: Path, service: Service, seed: int, factory: Path) -> None:
        self.running = Running(folder, service.stand_in.url, factory=factory)
        self.pauses_s: List[float] = []
        self.state: State = Check()
        self.running.agent.wait = self.pauses_s.append  # type: ignore[method-assign, assignment]
        self._loop = UpdateLoop(self.running.agent, BackOff(random.Random(seed)))

    def step(self) -> None:
        self.state = self._loop.stepped(self.state)


def test_the_agent_asks_ever_more_seldom_and_no_two_cameras_together_while_the_frames_go_on(
    tmp_path: Path, service: Service, first: Made, second: Made
) -> None:
    service.promote(*first)
    service.down = Told(500, b"<html>")
    cameras = [Stepped(tmp_path / str(seed), service, seed, second[0]) for seed in (1, 2)]
    for camera in cameras:
        camera.running.loop.start()
        camera.running.agent.begin()
        while sum(camera.pauses_s) < HOUR_S:
            camera.step()
        assert len(camera.pauses_s) <= 20
        assert all(later < 620 for later in camera.pauses_s)
        heard = len(camera.running.seen)
        until(lambda camera=camera, heard=heard: len(camera.running.seen) > heard + 5)
    assert not set(cameras[0].pauses_s) & set(cameras[1].pauses_s)
    service.down = None
    for camera in cameras:
        for _ in range(12):
            camera.step()
        assert camera.running.boot.id in service.verified
        until(lambda camera=camera: any_of(camera.running.seen, "landfill"))
        camera.running.loop.stop()
        camera.running.outbox.close()


def any_of(seen: List[Any], label: str) -> bool:
    return any(each.answer.result.label == label for each in seen)
