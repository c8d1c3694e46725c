"""Events: heard once, gaps known, found under their labels."""

from __future__ import annotations

import random
from typing import Any

import pytest

from chalicelib.domain import camera_records as records
from chalicelib.domain.camera_event import MAX_RANGES, CameraEvent, Stream, corrected
from chalicelib.domain.device import Device
from chalicelib.domain.ports import Index
from chalicelib.services.camera_event import CameraEvents, EventQuery, NewEvent
from tests.unit.memory_store import HandClock, MemoryStore

DEVICE = Device("kitchen-1", "kitchen", None, 0.0)
BOOT = "boot-0000000000000001"


def body(sequence: int, at_s: float = 999_990.0, **changes: Any) -> NewEvent:
    result = {"label": "compost", "confidence": 0.9, "unknown": False}
    members = {"captured_at_s": at_s, "model": None, "task": "classify", "result": result}
    return NewEvent(sequence, {**members, **changes})


def service() -> CameraEvents:
    return CameraEvents(MemoryStore(), HandClock(), lambda _: None, keep_s=1000)


def events_of(events: CameraEvents, **span: float) -> list[CameraEvent]:
    query = EventQuery(records.device_events(DEVICE.id), Index.FIRST, span.get("from_s"), span.get("until_s"))
    return events.page(query, None, 100)[0]


def test_a_batch_is_stored_and_acknowledged() -> None:
    events = service()
    receipt = events.take(DEVICE, BOOT, [body(1), body(2)], [], None)
    assert receipt.results == ((1, "stored", ""), (2, "stored", ""))
    assert (receipt.acknowledged, receipt.gaps) == (2, ())
    assert [event.sequence for event in events_of(events)] == [2, 1]


def test_a_replay_changes_nothing() -> None:
    events = service()
    events.take(DEVICE, BOOT, [body(1)], [], None)
    before = dict(events.store.records)  # type: ignore[attr-defined]
    receipt = events.take(DEVICE, BOOT, [body(1, label="other")], [], None)
    assert receipt.results == ((1, "replayed", ""),)
    assert events.store.records == before  # type: ignore[attr-defined]


def test_what_is_missing_is_named_until_it_comes() -> None:
    events = service()
    assert events.take(DEVICE, BOOT, [body(1), body(4), body(8)], [], None).gaps == ((2, 3), (5, 7))
    assert events.take(DEVICE, BOOT, [body(2), body(3)], [], None).acknowledged == 4
    receipt = events.take(DEVICE, BOOT, [], [(5, 7)], None)
    assert (receipt.acknowledged, receipt.gaps, receipt.dropped) == (8, (), 3)


def test_drops_that_are_told_twice_are_counted_once() -> None:
    events = service()
    for _ in range(2):
        receipt = events.take(DEVICE, BOOT, [body(5)], [(1, 4)], None)
    assert (receipt.acknowledged, receipt.dropped) == (5, 4)


def test_an_event_that_does_not_fit_is_refused_and_never_asked_for_again() -> None:
    events = service()
    receipt = events.take(DEVICE, BOOT, [NewEvent(1, {}, "result: is missing"), body(2)], [], None)
    assert receipt.results == ((1, "refused", "result: is missing"), (2, "stored", ""))
    assert receipt.acknowledged == 2


def test_any_order_of_batches_with_repeats_ends_with_every_event_once() -> None:
    draw, events = random.Random(3), service()
    batches = [list(range(start, start + 5)) for start in range(1, 100, 5)] * 3
    draw.shuffle(batches)
    for batch in batches:
        receipt = events.take(DEVICE, BOOT, [body(each) for each in batch], [], None)
    assert (receipt.acknowledged, receipt.gaps) == (100, ())
    assert sorted(event.sequence for event in events_of(events)) == list(range(1, 101))
    assert events.stream(DEVICE.id, BOOT).stored == 100


def test_a_stream_that_is_all_holes_is_bounded() -> None:
    events = service()
    for sequence in range(2, 4 * MAX_RANGES, 2):
        receipt = events.take(DEVICE, BOOT, [body(sequence)], [], None)
    assert receipt.results[0][1] == "later"
    assert len(events.stream(DEVICE.id, BOOT).ahead) == MAX_RANGES
    assert events.take(DEVICE, BOOT, [body(1)], [], None).results == ((1, "stored", ""),)


def test_boots_count_apart() -> None:
    events = service()
    events.take(DEVICE, BOOT, [body(1)], [], None)
    assert events.take(DEVICE, "boot-0000000000000002", [body(1)], [], None).results[0][1] == "stored"
    assert len(events_of(events)) == 2


@pytest.mark.parametrize("offset_s", [-40_000_000.0, 0.0, 3600.0])
def test_a_wrong_clock_is_put_right_by_its_measured_offset(offset_s: float) -> None:
    events = service()
    sent_at_s = 1_000_000.0 + offset_s
    events.take(DEVICE, BOOT, [body(1, sent_at_s - 30)], [], sent_at_s)
    (event,) = events_of(events)
    assert (event.captured_at_s, event.at_s) == (sent_at_s - 30, 999_970.0)


def test_nothing_was_seen_after_it_arrived() -> None:
    assert corrected(2_000_000.0, None, 1_000_000.0) == 1_000_000.0


def test_a_span_of_time_is_listed_and_no_more() -> None:
    events = service()
    events.take(DEVICE, BOOT, [body(at, 999_000.0 + at) for at in range(1, 11)], [], None)
    found = events_of(events, from_s=999_003.0, until_s=999_006.0)
    assert [event.sequence for event in found] == [6, 5, 4, 3]


def test_what_is_past_its_time_is_not_listed() -> None:
    events = service()
    events.take(DEVICE, BOOT, [body(1)], [], None)
    events.clock.now_s += 1001  # type: ignore[attr-defined]
    assert events_of(events) == []


def test_pages_follow_each_other_without_holes() -> None:
    events = service()
    events.take(DEVICE, BOOT, [body(at) for at in range(1, 12)], [], None)
    query, cursor, found = EventQuery(records.fleet_events("kitchen"), Index.SECOND), None, []
    while True:
        page, cursor = events.page(query, cursor, 4)
        found += [event.sequence for event in page]
        if cursor is None:
            break
    assert sorted(found) == list(range(1, 12))


def labels(result: dict[str, Any], expected: int | None = None) -> tuple[str, ...]:
    return CameraEvent("d", "f", BOOT, 1, 0.0, 0.0, 0.0, None, "detect", result, expected=expected).labels


@pytest.mark.parametrize(
    ("result", "found"),
    [
        ({"label": "compost", "unknown": False}, ("compost",)),
        ({"label": "compost", "unknown": True}, ("unknown",)),
        ({"counts": {"1000": 1, "2000": 3, "5000": 0}, "label": "1000"}, ("2000", "1000")),
        ({"counts": {"1000": 0}, "label": None}, ("nothing",)),
        ({"counts": {str(each): 1 for each in range(9)}}, ("0", "1", "2")),
        ({}, ("nothing",)),
    ],
)
def test_an_event_is_found_under_what_was_seen(result: dict[str, Any], found: tuple[str, ...]) -> None:
    assert labels(result) == found


def test_a_count_that_differs_is_a_mismatch_unless_it_is_unknown() -> None:
    def event(count: int, unknown: bool) -> CameraEvent:
        result = {"count": count, "label": str(count), "unknown": unknown}
        return CameraEvent("d", "f", BOOT, 1, 0.0, 0.0, 0.0, None, "count", result, expected=3)

    assert [event(2, False).is_mismatch, event(3, False).is_mismatch, event(2, True).is_mismatch] == [
        True,
        False,
        False,
    ]


def test_the_fullest_batch_fits_into_one_transaction() -> None:
    events = service()
    result = {"counts": {str(each): 1 for each in range(9)}, "unknown": False}
    receipt = events.take(DEVICE, BOOT, [body(at, result=result) for at in range(1, 25)], [], None)
    assert receipt.acknowledged == 24
    assert len(events.store.records) == 24 * 4 + 1 <= 100  # type: ignore[attr-defined]


def test_a_range_that_touches_joins() -> None:
    stream = Stream("d", BOOT).hearing([(3, 4)]).hearing([(5, 6)])
    assert stream.ahead == ((3, 6),)
    assert stream.hearing([(1, 2)]).acknowledged == 6
