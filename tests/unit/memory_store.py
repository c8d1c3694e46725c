"""A RecordStore in a dictionary, which can be told to fail, and a clock that is turned by hand."""

from __future__ import annotations

from dataclasses import dataclass, replace

from chalicelib.domain.errors import RecordNotFoundError, StoreUnavailableError, WriteConflictError
from chalicelib.domain.ports import Add, Cursor, Delete, Index, Key, Page, Put, Record, RecordStore, Write


@dataclass
class HandClock:
    now_s: float = 1_000_000.0

    def __call__(self) -> float:
        return self.now_s


class MemoryStore(RecordStore):
    def __init__(self) -> None:
        self.records: dict[Key, Record] = {}
        self.is_down = False
        self.reads = 0
        self.lost_races = 0

    def get(self, key: Key) -> Record:
        self._answer()
        self.reads += 1
        if key not in self.records:
            raise RecordNotFoundError(f"nothing under {key}")
        return self.records[key]

    def query(
        self,
        partition: str,
        *,
        index: Index = Index.PRIMARY,
        prefix: str = "",
        after: Cursor | None = None,
        limit: int = 50,
        newest_first: bool = False,
    ) -> Page:
        self._answer()
        found = sorted(
            ((place, record) for record in self.records.values() if (place := _place(record, partition, index))),
            key=lambda each: each[0],
            reverse=newest_first,
        )
        found = [each for each in found if each[0][0].startswith(prefix)]
        if after:
            found = [each for each in found if (each[0] < after if newest_first else each[0] > after)]
        page = found[:limit]
        return Page(tuple(record for _, record in page), page[-1][0] if len(found) > limit else None)

    def write(self, *writes: Write) -> None:
        self._answer()
        lost = [_key(each) for each in writes if not self._is_expected(each)]
        if self.lost_races:
            self.lost_races -= 1
            lost = [key for key in map(_key, writes) if key.partition == "LEDGERHEAD"]
        if lost:
            raise WriteConflictError("somebody else was first", keys=lost)
        for each in writes:
            self._apply(each)

    def _answer(self) -> None:
        if self.is_down:
            raise StoreUnavailableError("the store is down", retry_after_s=1)

    def _is_expected(self, write: Write) -> bool:
        stored = self.records.get(_key(write))
        if isinstance(write, Add):
            counters = stored.counters if stored else {}
            sums = [counters.get(name, 0) + amount for name, amount in write.counters.items()]
            return write.least is None or min(sums) >= write.least
        expected = write.expected_version
        return expected is None or expected == (stored.version if stored else 0)

    def _apply(self, write: Write) -> None:
        stored = self.records.get(_key(write))
        if isinstance(write, Delete):
            self.records.pop(write.key, None)
        elif isinstance(write, Put):
            self.records[write.record.key] = replace(write.record, version=stored.version + 1 if stored else 1)
        elif isinstance(write, Add):
            base = stored or Record(write.key, {}, version=0)
            counters = {name: base.counters.get(name, 0) + more for name, more in write.counters.items()}
            self.records[write.key] = replace(base, version=base.version + 1, counters={**base.counters, **counters})


def _key(write: Write) -> Key:
    return write.record.key if isinstance(write, Put) else write.key


def _place(record: Record, partition: str, index: Index) -> Cursor | None:
    if index is Index.PRIMARY:
        return (record.key.sort,) if record.key.partition == partition else None
    place = record.index1 if index is Index.FIRST else record.index2
    if place is None or place.partition != partition:
        return None
    return (place.sort, record.key.partition, record.key.sort)
