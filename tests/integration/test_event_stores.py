"""Events on each store: one transaction a batch, one index a query, pages and spans of time."""

from __future__ import annotations

import pytest

from chalicelib.domain import camera_records as records
from chalicelib.domain.camera_event import MAX_EVENTS
from chalicelib.domain.ports import Cursor, Index, RecordStore
from chalicelib.services.camera_event import CameraEvents, EventQuery
from tests.unit.memory_store import HandClock
from tests.unit.test_camera_event import BOOT, DEVICE, body


@pytest.fixture
def events(store: RecordStore) -> CameraEvents:
    return CameraEvents(store, HandClock(), lambda _: None, keep_s=1000)


QUERIES = [
    (records.device_events(DEVICE.id), Index.FIRST),
    (records.fleet_events(DEVICE.fleet), Index.SECOND),
    (records.label_events("compost"), Index.PRIMARY),
]


def sequences(events: CameraEvents, query: EventQuery, limit: int) -> list[int]:
    found: list[int] = []
    cursor: Cursor | None = None
    while True:
        page, cursor = events.page(query, cursor, limit)
        found += [event.sequence for event in page]
        if cursor is None:
            return found


def test_the_fullest_batch_is_taken_once(events: CameraEvents) -> None:
    result = {"counts": {str(each): 1 for each in range(9)}, "unknown": False}
    batch = [body(at, result=result) for at in range(1, MAX_EVENTS + 1)]
    for status in ("stored", "replayed"):
        receipt = events.take(DEVICE, BOOT, batch, [], None)
        assert {each[1] for each in receipt.results} == {status}
        assert receipt.acknowledged == MAX_EVENTS
    query = EventQuery(records.label_events("0"), Index.PRIMARY)
    assert len(sequences(events, query, 50)) == MAX_EVENTS


@pytest.mark.parametrize(("partition", "index"), QUERIES, ids=["device", "fleet", "label"])
def test_pages_and_spans_are_the_same_on_every_index(events: CameraEvents, partition: str, index: Index) -> None:
    events.take(DEVICE, BOOT, [body(at, 999_000.0 + at) for at in range(1, 12)], [], None)
    assert sequences(events, EventQuery(partition, index), 4) == list(range(11, 0, -1))
    span = EventQuery(partition, index, from_s=999_003.0, until_s=999_008.0)
    assert sequences(events, span, 2) == [8, 7, 6, 5, 4, 3]


def test_gaps_outlive_the_process(store: RecordStore, events: CameraEvents) -> None:
    events.take(DEVICE, BOOT, [body(1), body(5)], [(2, 2)], None)
    again = CameraEvents(store, HandClock(), lambda _: None, keep_s=1000)
    receipt = again.take(DEVICE, BOOT, [body(3)], [], None)
    assert (receipt.acknowledged, receipt.gaps, receipt.dropped) == (3, ((4, 4),), 1)


def test_every_record_that_a_batch_leaves_has_its_time(store: RecordStore, events: CameraEvents) -> None:
    """DynamoDB's TTL looks at that attribute, the embedded sweeper at that column."""
    events.take(DEVICE, BOOT, [body(1, expected=3, result={"count": 2, "label": "2", "unknown": False})], [], None)
    left = [*store.query(f"EVENTS#{DEVICE.id}#{BOOT}", limit=10).records]
    for partition in (records.label_events("2"), records.MISMATCHES):
        left += store.query(partition, limit=10).records
    assert [each.expires_at_s for each in left] == [1_001_000] * 4
