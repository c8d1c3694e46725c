"""Posting: what waits on the disk reaches the service once, whatever the service says of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable, Dict, List, Optional

import pytest

from device.cloud import Cloud
from device.frame_spool import FrameSpool
from device.outbox import Outbox
from device.posting import IDLE_S, MAX_EVENTS, Poster
from tests.device.agents import KEY
from tests.device.http_stand_in import Asked, Told, problem
from tests.device.service_stand_in import Service, told
from tests.device.test_long_outage import WithoutNetwork

BOOT = "boot-0000000000000001"


class Choosy(Service):
    """Refuses what `objection` says something about."""

    objection: Callable[[Asked], Optional[Told]] = staticmethod(lambda asked: None)  # type: ignore[assignment]

    def __call__(self, asked: Asked) -> Told:
        return self.objection(asked) or super().__call__(asked)


class Camera:
    def __init__(self, folder: Path) -> None:
        self.service = Choosy()
        # It is asked without a network.
        self.service.stand_in.server.server_close()
        self.spool = FrameSpool(folder / "frames", 10**6)
        self.outbox = Outbox(folder / "events", BOOT, self.spool)
        self.network = WithoutNetwork(self.service)
        self.poster = Poster(Cloud("http://127.0.0.1", "kitchen-1", KEY, self.network), self.outbox, self.spool)

    def sees(self, *texts: str) -> None:
        for text in texts:
            self.outbox.append({"text": text})

    def posts(self, times: int = 50) -> None:
        for _ in range(times):
            self.poster._step()

    @property
    def heard(self) -> List[Any]:
        return [event["text"] for event in self.service.events]


def objecting(text: str, told: Told) -> Callable[[Asked], Optional[Told]]:
    return lambda asked: told if text.encode() in asked.body else None


@pytest.mark.parametrize("status", [400, 413, 422])
def test_one_event_that_does_not_fit_holds_up_no_other_and_is_counted(tmp_path: Path, status: int) -> None:
    camera = Camera(tmp_path)
    camera.service.objection = objecting("odd", problem(status, "invalid-body"))
    texts = ["event %d" % at for at in range(2 * MAX_EVENTS)]
    camera.sees(*texts[:7], "odd", *texts[7:])
    camera.posts()
    assert camera.heard == texts
    assert camera.service.dropped[BOOT] == {8}
    assert camera.outbox.counts()["dropped_events"] == 1
    assert camera.outbox.batch(1) is None


@pytest.mark.parametrize("status", [401, 403, 404, 405, 409])
def test_what_is_refused_for_the_senders_sake_waits_until_that_is_mended(tmp_path: Path, status: int) -> None:
    camera = Camera(tmp_path)
    camera.service.objection = lambda asked: problem(status, "another-device")
    camera.sees("one", "two")
    camera.spool.put(b"jpeg", {"sampler": "random"})
    camera.posts()
    assert camera.outbox.counts()["events"] == 2
    assert len(camera.spool) == 1
    camera.service.objection = lambda asked: None
    camera.posts()
    assert camera.heard == ["one", "two"]
    assert [frame["sampler"] for frame in camera.service.frames] == ["random"]
    assert len(camera.spool) == 0


def test_a_frame_that_does_not_fit_is_given_up(tmp_path: Path) -> None:
    camera = Camera(tmp_path)
    camera.service.objection = objecting("odd", problem(422, "invalid-body"))
    for sampler in ("odd", "random"):
        camera.spool.put(b"jpeg", {"sampler": sampler})
    camera.posts()
    assert [frame["sampler"] for frame in camera.service.frames] == ["random"]
    assert len(camera.spool) == 0


def test_events_go_before_frames(tmp_path: Path) -> None:
    camera = Camera(tmp_path)
    camera.spool.put(b"jpeg", {"sampler": "random"})
    camera.sees(*["event"] * (MAX_EVENTS + 1))
    asked: List[str] = []

    def noting(request: Asked) -> Optional[Told]:
        asked.append(request.path)
        return None

    camera.service.objection = noting
    camera.posts(4)
    assert asked == ["/events", "/events", "/frames", "/frames/1"]


def test_a_reply_that_lacks_members_loses_nothing(tmp_path: Path) -> None:
    camera = Camera(tmp_path)
    reply: Dict[str, str] = {"Content-Type": "application/json"}
    camera.service.objection = lambda asked: Told(200, b"{}", reply)
    camera.sees("one")
    camera.posts(5)
    camera.service.objection = lambda asked: None
    camera.posts()
    assert camera.heard == ["one"]


def test_frames_that_are_let_through_nowhere_delay_no_event(tmp_path: Path) -> None:
    camera = Camera(tmp_path)
    now_s = [0.0]
    camera.poster._timer = lambda: now_s[0]
    camera.service.objection = lambda asked: Told(503) if asked.path.startswith("/frames") else None
    camera.spool.put(b"jpeg", {"sampler": "random"})
    for _ in range(100):
        pause_s = camera.poster._step()
        assert pause_s <= IDLE_S
        now_s[0] += pause_s
    camera.sees("one")
    camera.posts(1)
    assert camera.heard == ["one"]
    camera.service.objection = lambda asked: None
    now_s[0] += 1200.0
    camera.posts(2)
    assert len(camera.spool) == 0


def test_a_place_that_takes_no_frames_is_asked_ever_more_seldom(tmp_path: Path) -> None:
    camera = Camera(tmp_path)
    now_s, asked = [0.0], []
    camera.poster._timer = lambda: now_s[0]

    def refuse(request: Asked) -> Told:
        asked.append(now_s[0])
        return Told(503)

    camera.service.objection = refuse
    camera.spool.put(b"jpeg", {"sampler": "random"})
    for _ in range(1800):
        camera.poster._step()
        now_s[0] += IDLE_S
    assert 6 < len(asked) < 25


def test_a_service_that_takes_nothing_is_not_asked_without_a_pause(tmp_path: Path) -> None:
    camera = Camera(tmp_path)
    reply = {"acknowledged": 0, "gaps": [], "results": []}
    camera.service.objection = lambda asked: told(reply)
    camera.sees("one", "two")
    pauses = [camera.poster._step() for _ in range(6)]
    assert min(pauses) >= 1.0
    assert pauses[-1] > 10.0
    camera.service.objection = lambda asked: None
    camera.posts()
    assert camera.heard == ["one", "two"]
