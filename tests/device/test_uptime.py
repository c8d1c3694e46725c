"""A clock that is set while events wait: they tell their time by the clock as it stands when they are sent."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Dict

import pytest

from device.config import ResultsConfig
from device.events import event_of
from device.frame_loop import Seen
from device.uptime import UPTIME, as_of_now, mark, uptime_s
from tests.device.models import RED, plain
from tests.device.seen import Watched
from tests.device.test_posting import Camera

NOW_S = 1.8e9


def kept(captured_at_s: float, up_s: float = 1000.0, start: str = "this") -> Dict[str, Any]:
    return {"captured_at_s": captured_at_s, "sequence": 7, **mark(up_s, start)}


@pytest.mark.parametrize(
    ("captured_at_s", "told_s"),
    [
        (NOW_S - 500.0, NOW_S - 500.0),
        (NOW_S - 500.4, NOW_S - 500.4),
        (86_400.0, NOW_S - 500.0),
        (NOW_S + 90_000.0, NOW_S - 500.0),
    ],
)
def test_the_time_is_told_by_the_present_clock(captured_at_s: float, told_s: float) -> None:
    assert as_of_now(kept(captured_at_s), NOW_S, 1500.0, "this") == {"captured_at_s": told_s, "sequence": 7}


def test_an_earlier_start_of_the_machine_is_left_as_it_was() -> None:
    assert as_of_now(kept(86_400.0, start="one before"), NOW_S, 1500.0, "this")["captured_at_s"] == 86_400.0


def test_what_has_no_mark_is_left_as_it_was() -> None:
    assert as_of_now({"captured_at_s": 5.0}, NOW_S, 1500.0) == {"captured_at_s": 5.0}
    assert as_of_now(kept(5.0), NOW_S, None, "this") == {"captured_at_s": 5.0, "sequence": 7}


def test_no_time_lies_before_the_first() -> None:
    assert as_of_now(kept(500.0), 10.0, 1500.0, "this")["captured_at_s"] == 0.0


def test_events_and_frames_that_wait_while_the_clock_is_set_arrive_at_their_time(tmp_path: Path) -> None:
    up_s = uptime_s()
    if up_s is None:
        pytest.skip("no clock here says how long the machine is up")
    camera, model = Camera(tmp_path / "camera"), Watched(tmp_path / "model")
    seen: Seen = model.seen(plain(RED), 86_400.0)
    seen = seen._replace(frame=seen.frame._replace(up_s=up_s))
    camera.outbox.append({**event_of(seen, ResultsConfig()), "text": "seen in 1970"})
    camera.spool.put(b"jpeg", {"captured_at_s": 86_400.0, "sampler": "random", **mark(up_s)})
    camera.poster._clock = lambda: NOW_S
    camera.posts()
    (event,), (frame,) = camera.service.events, camera.service.frames
    for told in (event, frame):
        assert NOW_S - 60 < told["captured_at_s"] <= NOW_S
        assert UPTIME not in told


def test_the_clock_of_uptime_goes_on() -> None:
    first = uptime_s()
    time.sleep(0.01)
    second = uptime_s()
    assert (first is None) == (second is None)
    assert first is None or second is None or first < second
