"""Use cases of events: take a camera's batch exactly once, and find events again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chalicelib.domain import camera_records as records
from chalicelib.domain.camera_event import MAX_RANGES, CameraEvent, Range, Stream, corrected
from chalicelib.domain.device import Device
from chalicelib.domain.errors import RecordNotFoundError
from chalicelib.domain.ports import Clock, Cursor, Index, Put, Record, RecordStore, Write
from chalicelib.services.contention import until_settled

STORED, REPLAYED, REFUSED, LATER = "stored", "replayed", "refused", "later"


@dataclass(frozen=True)
class NewEvent:
    """`refusal` None: it fits. Else it is refused for that reason, and never asked for again."""

    sequence: int
    body: Mapping[str, Any]
    refusal: str | None = None


@dataclass(frozen=True)
class Receipt:
    """`results`: sequence, status and reason of every event, in the order in which they came."""

    results: tuple[tuple[int, str, str], ...]
    acknowledged: int
    gaps: tuple[Range, ...]
    dropped: int


@dataclass(frozen=True)
class EventQuery:
    """One filter, and a span of time. `index` says where the partition lies."""

    partition: str
    index: Index
    from_s: float | None = None
    until_s: float | None = None


@dataclass(frozen=True)
class CameraEvents:
    store: RecordStore
    clock: Clock
    pause: Callable[[float], None]
    keep_s: int

    def take(
        self, device: Device, boot: str, events: Sequence[NewEvent], dropped: Sequence[Range], sent_at_s: float | None
    ) -> Receipt:
        """Store what was not heard yet. Raises: StoreUnavailableError, WriteConflictError."""
        return until_settled(lambda: self._taken(device, boot, events, dropped, sent_at_s), self.pause, lambda _: True)

    def page(self, query: EventQuery, after: Cursor | None, limit: int) -> tuple[list[CameraEvent], Cursor | None]:
        """Newest first. Raises: InvalidQueryError for a cursor of another list."""
        page = self.store.query(
            query.partition, index=query.index, after=after or _start(query), limit=limit, newest_first=True
        )
        now_s = self.clock()
        events = [records.event_from(each) for each in page.records if _is_kept(each, now_s)]
        wanted = [each for each in events if query.from_s is None or each.at_s >= query.from_s]
        return wanted, page.next if len(wanted) == len(events) else None

    def stream(self, device_id: str, boot: str) -> Stream:
        try:
            return records.stream_from(self.store.get(records.stream_key(device_id, boot)))
        except RecordNotFoundError:
            return Stream(device_id, boot)

    def _taken(
        self, device: Device, boot: str, events: Sequence[NewEvent], dropped: Sequence[Range], sent_at_s: float | None
    ) -> Receipt:
        now_s = self.clock()
        stream = self.stream(device.id, boot)
        told = stream.hearing(dropped, dropped=stream.unheard(dropped))
        results: list[tuple[int, str, str]] = []
        writes: list[Write] = []
        for event in events:
            status = _status(told, event)
            results.append((event.sequence, status, (event.refusal or "") if status == REFUSED else ""))
            if status in (STORED, REFUSED):
                told = told.hearing([(event.sequence, event.sequence)], **{status: 1})
            if status == STORED:
                writes += self._writes(_event(device, boot, event, sent_at_s, now_s), now_s)
        if told != stream:
            put = Put(records.stream_record(told, self._expiry(now_s)), expected_version=stream.record_version)
            self.store.write(put, *writes)
        return Receipt(tuple(results), told.acknowledged, tuple(told.gaps), told.dropped)

    def _writes(self, event: CameraEvent, now_s: float) -> list[Write]:
        expires = self._expiry(now_s)
        filed = records.filed_records(event, expires)
        return [Put(each, expected_version=None) for each in (records.event_record(event, expires), *filed)]

    def _expiry(self, now_s: float) -> int:
        return int(now_s) + self.keep_s


def _status(stream: Stream, event: NewEvent) -> str:
    if stream.has_heard(event.sequence):
        return REPLAYED
    if len(stream.ahead) >= MAX_RANGES and event.sequence != stream.acknowledged + 1:
        return LATER
    return STORED if event.refusal is None else REFUSED


def _event(device: Device, boot: str, event: NewEvent, sent_at_s: float | None, now_s: float) -> CameraEvent:
    captured_at_s = float(event.body["captured_at_s"])
    return CameraEvent(
        device=device.id,
        fleet=device.fleet,
        boot=boot,
        sequence=event.sequence,
        captured_at_s=captured_at_s,
        at_s=corrected(captured_at_s, sent_at_s, now_s),
        received_at_s=round(now_s, 3),
        model=event.body["model"],
        task=event.body["task"],
        result=event.body["result"],
        reference=event.body.get("reference"),
        expected=event.body.get("expected"),
        thumbnail=event.body.get("thumbnail"),
    )


def _start(query: EventQuery) -> Cursor | None:
    if query.until_s is None:
        return None
    sort = records.up_to(query.until_s)
    return (sort,) if query.index is Index.PRIMARY else (sort, "~", "~")


def _is_kept(record: Record, now_s: float) -> bool:
    return record.expires_at_s is None or record.expires_at_s > now_s
