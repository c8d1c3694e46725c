"""What a card spoils while the camera runs costs what it holds, counted, and holds up no event after it."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any, Callable, List, Set

import pytest

from device.outbox import Outbox
from tests.device.test_outbox import BOOT, outbox_in, sequences_of


def damaged(segment: Path, at: int) -> None:
    data = bytearray(segment.read_bytes())
    data[at] ^= 0xFF
    segment.write_bytes(bytes(data))


def delivered(outbox: Outbox, limit: int = 24) -> List[int]:
    """What reaches a service that acknowledges as far as nothing is missing. Fails when it does not come to an end."""
    heard: Set[int] = set()
    for _ in range(100):
        batch = outbox.batch(limit)
        if batch is None:
            return sorted(heard)
        heard.update(event["sequence"] for event in batch.events)
        for first, last in batch.dropped:
            heard.update(range(first, last + 1))
        acknowledged = next(number for number in range(1, len(heard) + 2) if number not in heard) - 1
        above = sorted(number for number in heard if number > acknowledged)
        outbox.acknowledge(BOOT, acknowledged, [(acknowledged + 1, above[0] - 1)] if above else [])
    raise AssertionError("the same events are sent again and again")


@pytest.mark.parametrize("which", [0, 1, -1])
@pytest.mark.parametrize("limit", [2, 24])
def test_a_segment_that_is_damaged_while_the_camera_runs_costs_its_rest_and_holds_up_nothing(
    tmp_path: Path, which: int, limit: int
) -> None:
    outbox = outbox_in(tmp_path, segment_bytes=200)
    for at in range(20):
        outbox.append({"at": at, "text": "x" * 20})
    damaged(sorted((tmp_path / "events").glob("*.log"))[which], 80)
    assert delivered(outbox, limit) == list(range(1, 21))
    assert 0 < outbox.counts()["dropped_events"] < 5
    assert (outbox.append({}), outbox.counts()["events"]) == (21, 1)
    assert sequences_of(outbox) == [21]


def test_a_segment_that_somebody_removed_is_counted_as_lost(tmp_path: Path) -> None:
    outbox = outbox_in(tmp_path, segment_bytes=200)
    for at in range(20):
        outbox.append({"at": at, "text": "x" * 20})
    sorted((tmp_path / "events").glob("*.log"))[1].unlink()
    assert delivered(outbox) == list(range(1, 21))
    assert outbox.counts()["dropped_events"] == 4


@pytest.fixture
def two_events_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], Outbox]:
    """An outbox whose files the system does not give back, for this reason."""
    outbox = outbox_in(tmp_path)
    for _ in range(2):
        outbox.append({})
    opened = Path.open

    def behind(reason: int) -> Outbox:
        def refuse(self: Path, *arguments: Any, **options: Any) -> Any:
            if self.suffix == ".log":
                raise OSError(reason, os.strerror(reason))
            return opened(self, *arguments, **options)

        monkeypatch.setattr(Path, "open", refuse)
        return outbox

    return behind


def test_a_file_that_cannot_be_opened_just_now_costs_nothing(
    two_events_behind: Callable[[int], Outbox], monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox = two_events_behind(errno.EMFILE)
    with pytest.raises(OSError, match="Too many open files"):
        outbox.batch(10)
    monkeypatch.undo()
    assert sequences_of(outbox) == [1, 2]


def test_a_file_that_the_card_no_longer_gives_back_is_counted_as_lost(
    two_events_behind: Callable[[int], Outbox],
) -> None:
    outbox = two_events_behind(errno.EIO)
    assert outbox.batch(10) == (BOOT, [], [(1, 2)])
    assert outbox.counts()["dropped_events"] == 2
