"""A store that counts what is asked of the store behind it."""

from __future__ import annotations

from typing import Any

from chalicelib.domain.ports import Key, Page, Record, RecordStore, Write


class CountingStore(RecordStore):
    def __init__(self, inner: RecordStore) -> None:
        self._inner = inner
        self.reset()

    def reset(self) -> None:
        self.transactions = 0
        self.writes = 0
        self.reads = 0

    def get(self, key: Key) -> Record:
        self.reads += 1
        return self._inner.get(key)

    def query(self, partition: str, **options: Any) -> Page:
        self.reads += 1
        return self._inner.query(partition, **options)

    def write(self, *writes: Write) -> None:
        self.transactions += 1
        self.writes += len(writes)
        self._inner.write(*writes)
