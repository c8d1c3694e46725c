"""The outbox: what was appended is there after a kill, in order, under its number; what went is counted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, List

import pytest

from device.frame_spool import FrameSpool
from device.outbox import Outbox
from device.segment import SegmentWriter

ROOT = Path(__file__).parent.parent.parent
BOOT = "boot-0000000000000001"


def outbox_in(folder: Path, boot: str = BOOT, **options: Any) -> Outbox:
    return Outbox(folder / "events", boot, FrameSpool(folder / "frames", 10_000), **options)


def sequences_of(outbox: Outbox, limit: int = 1000) -> List[int]:
    batch = outbox.batch(limit)
    return [event["sequence"] for event in batch.events] if batch else []


def test_events_come_back_in_order_with_their_numbers(tmp_path: Path) -> None:
    outbox = outbox_in(tmp_path)
    numbers = [outbox.append({"at": at}) for at in range(5)]
    batch = outbox.batch(3)
    assert numbers == [1, 2, 3, 4, 5]
    assert batch is not None
    assert (batch.boot, batch.dropped) == (BOOT, [])
    assert batch.events == [{"at": 0, "sequence": 1}, {"at": 1, "sequence": 2}, {"at": 2, "sequence": 3}]


def test_what_was_acknowledged_does_not_come_again(tmp_path: Path) -> None:
    outbox = outbox_in(tmp_path)
    for _ in range(5):
        outbox.append({})
    outbox.acknowledge(BOOT, 3)
    assert sequences_of(outbox) == [4, 5]
    outbox.acknowledge(BOOT, 5)
    assert outbox.batch(10) is None
    assert outbox.counts()["events"] == 0


def test_an_earlier_boots_events_are_sent_first(tmp_path: Path) -> None:
    first = outbox_in(tmp_path)
    first.append({"of": "first"})
    second = outbox_in(tmp_path, "boot-0000000000000002")
    second.append({"of": "second"})
    batch = second.batch(10)
    assert batch is not None
    assert (batch.boot, [event["of"] for event in batch.events]) == (BOOT, ["first"])
    second.acknowledge(BOOT, 1)
    following = second.batch(10)
    assert following is not None
    assert following.boot == "boot-0000000000000002"


def test_acknowledged_segments_leave_the_disk(tmp_path: Path) -> None:
    outbox = outbox_in(tmp_path, segment_bytes=200)
    for at in range(50):
        outbox.append({"at": at})
    before = len(list((tmp_path / "events").glob("*.log")))
    outbox.acknowledge(BOOT, 50)
    assert before > 5
    assert len(list((tmp_path / "events").glob("*.log"))) == 1


@pytest.mark.parametrize("torn", [1, 7, 9, 20])
def test_a_torn_end_costs_the_torn_event_only(tmp_path: Path, torn: int) -> None:
    outbox = outbox_in(tmp_path)
    for at in range(4):
        outbox.append({"at": at})
    outbox.close()
    (segment,) = (tmp_path / "events").glob("*.log")
    os.truncate(str(segment), segment.stat().st_size - torn)
    assert sequences_of(outbox_in(tmp_path, "boot-0000000000000002")) == [1, 2, 3]


def test_a_damaged_record_is_reported_as_a_gap_where_later_segments_follow(tmp_path: Path) -> None:
    outbox = outbox_in(tmp_path, segment_bytes=60)
    for at in range(6):
        outbox.append({"at": at})
    outbox.close()
    first = sorted((tmp_path / "events").glob("*.log"))[0]
    data = bytearray(first.read_bytes())
    data[-3] ^= 0xFF
    first.write_bytes(bytes(data))
    again = outbox_in(tmp_path, "boot-0000000000000002")
    batch = again.batch(100)
    assert batch is not None
    lost = [number for low, high in batch.dropped for number in range(low, high + 1)]
    assert sorted(lost + [event["sequence"] for event in batch.events]) == [1, 2, 3, 4, 5, 6]
    assert again.counts()["dropped_events"] == len(lost) == 1


def test_past_the_bound_the_oldest_events_go_and_are_counted(tmp_path: Path) -> None:
    outbox = outbox_in(tmp_path, max_bytes=4000, segment_bytes=500)
    for _ in range(200):
        outbox.append({"text": "x" * 40})
    batch, counts = outbox.batch(1000), outbox.counts()
    assert batch is not None
    kept = [event["sequence"] for event in batch.events]
    assert kept == list(range(kept[0], 201))
    assert batch.dropped == [(1, kept[0] - 1)]
    assert counts["dropped_events"] == kept[0] - 1
    assert counts["bytes"] <= 4000


def test_sampled_frames_go_before_any_event(tmp_path: Path) -> None:
    frames = FrameSpool(tmp_path / "frames", 10_000)
    outbox = Outbox(tmp_path / "events", BOOT, frames, max_bytes=6000, segment_bytes=500)
    for _ in range(4):
        frames.put(b"j" * 1000, {"why": "random"})
    for _ in range(30):
        outbox.append({"text": "x" * 60})
    counts = outbox.counts()
    assert (counts["dropped_events"], counts["frames"], counts["dropped_frames"]) == (0, 3, 1)


def test_drops_are_remembered_over_a_restart_until_they_were_told(tmp_path: Path) -> None:
    outbox = outbox_in(tmp_path, max_bytes=1000, segment_bytes=300)
    for _ in range(60):
        outbox.append({"text": "x" * 40})
    told = outbox.batch(100)
    outbox.close()
    again = outbox_in(tmp_path, "boot-0000000000000002")
    batch = again.batch(100)
    assert told is not None
    assert batch is not None
    assert batch.dropped == told.dropped
    again.acknowledge(BOOT, 60)
    assert again.batch(100) is None


def test_a_gap_that_the_service_sees_and_the_disk_does_not_hold_is_declared_as_dropped(tmp_path: Path) -> None:
    outbox = outbox_in(tmp_path)
    outbox.acknowledge("boot-of-long-ago-0001", 3, [(4, 6)])
    batch = outbox.batch(10)
    assert batch == ("boot-of-long-ago-0001", [], [(4, 6)])


def test_a_gap_that_the_disk_holds_is_sent_again(tmp_path: Path) -> None:
    outbox = outbox_in(tmp_path)
    for _ in range(4):
        outbox.append({})
    outbox.acknowledge(BOOT, 1, [(2, 3)])
    batch = outbox.batch(10)
    assert batch is not None
    assert ([event["sequence"] for event in batch.events], batch.dropped) == ([2, 3, 4], [])


def test_a_disk_that_takes_nothing_costs_events_and_not_the_caller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox = outbox_in(tmp_path)
    outbox.append({"at": 0})
    full = OSError(28, "No space left on device")

    def refuse(self: SegmentWriter, payload: bytes) -> None:
        raise full

    monkeypatch.setattr(SegmentWriter, "append", refuse)
    for at in range(1, 4):
        outbox.append({"at": at})
    monkeypatch.undo()
    assert outbox.append({"at": 4}) == 5
    batch = outbox.batch(10)
    assert batch is not None
    lost = [number for low, high in batch.dropped for number in range(low, high + 1)]
    assert sorted(lost + [event["sequence"] for event in batch.events]) == [1, 2, 3, 4, 5]
    assert outbox.counts()["dropped_events"] == len(lost)


def test_appending_never_waits_for_the_disk_and_syncing_does_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: List[int] = []
    monkeypatch.setattr("os.fsync", synced.append)
    now_s = [0.0]
    outbox = outbox_in(tmp_path, segment_bytes=200, sync_every_s=5.0, timer=lambda: now_s[0])
    for at in range(30):
        outbox.append({"at": at})
    outbox.sync_when_due()
    assert synced == []
    now_s[0] = 6.0
    outbox.sync_when_due()
    segments = len(list((tmp_path / "events").glob("*.log")))
    # Every segment, and the folder.
    assert len(synced) == segments + 1
    outbox.sync()
    assert len(synced) == segments + 1


def test_every_event_that_was_numbered_survives_a_kill(tmp_path: Path) -> None:
    program = (
        "import sys; from tests.device.test_outbox import *\n"
        "outbox = outbox_in(Path(sys.argv[1]))\n"
        "while True: print(outbox.append({'text': 'x' * 50}), flush=True)\n"
    )
    child = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, cwd=str(ROOT))
    assert child.stdout is not None
    numbers = [int(child.stdout.readline()) for _ in range(200)]
    child.send_signal(signal.SIGKILL)
    rest = child.stdout.read().split(b"\n")[:-1]
    child.stdout.close()
    child.wait()
    last = int(rest[-1]) if rest else numbers[-1]
    found = sequences_of(outbox_in(tmp_path, "boot-0000000000000002"), 10**6)
    assert found[:last] == list(range(1, last + 1))
