"""Use cases of the ledger: writing a change together with what it changes, reading and verifying the chain."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from chalicelib.domain import records
from chalicelib.domain.errors import RecordNotFoundError, WriteConflictError
from chalicelib.domain.ledger import Change, LedgerEntry, LedgerHead, append, entry_from_body, first_fault
from chalicelib.domain.ports import Clock, Cursor, Put, RecordStore, Write
from chalicelib.services.contention import until_settled
from chalicelib.services.request_scope import current_scope

PAGE = 200


@dataclass(frozen=True)
class Ledger:
    store: RecordStore
    clock: Clock
    pause: Callable[[float], None] = time.sleep

    def commit(self, change: Change, *writes: Write) -> LedgerEntry:
        """`writes` and the entry in one transaction, tried again while only the ledger's head was in the way.

        Raises: WriteConflictError when one of `writes` is, StoreUnavailableError.
        """
        return until_settled(lambda: self._append(change, writes), self.pause, _only_the_head)

    def _append(self, change: Change, writes: tuple[Write, ...]) -> LedgerEntry:
        head = self.head()
        entry = append(head, change, self.clock())
        scope = current_scope()
        mark = scope.marked(change.subject) if scope and scope.subject is None else None
        self.store.write(*writes, *_entry_writes(entry, head), *([mark] if mark else []))
        if scope and mark:
            scope.stored(mark)
        return entry

    def head(self) -> LedgerHead:
        try:
            return records.ledger_head_from(self.store.get(records.LEDGER_HEAD))
        except RecordNotFoundError:
            return records.ledger_head_from(None)

    def page(self, after: Cursor | None, limit: int) -> tuple[list[LedgerEntry], Cursor | None]:
        page = self.store.query(records.LEDGER, after=after, limit=limit, newest_first=True)
        return [entry_from_body(record.body) for record in page.records], page.next

    def first_fault(self) -> str | None:
        """None when every entry follows from the one before and the last one is the head's."""
        head = self.head()
        last: list[LedgerEntry] = []
        fault = first_fault(_remember_last(self._entries(), last))
        if fault is None and (last[-1].number if last else 0) < head.number:
            return f"The ledger ends at entry {last[-1].number if last else 0}, but its head says {head.number}."
        return fault

    def _entries(self) -> Iterator[LedgerEntry]:
        after: Cursor | None = None
        while True:
            page = self.store.query(records.LEDGER, after=after, limit=PAGE)
            yield from (entry_from_body(record.body) for record in page.records)
            if page.next is None:
                return
            after = page.next


def _remember_last(entries: Iterator[LedgerEntry], last: list[LedgerEntry]) -> Iterator[LedgerEntry]:
    for entry in entries:
        last[:] = [entry]
        yield entry


def _entry_writes(entry: LedgerEntry, head: LedgerHead) -> tuple[Write, Write]:
    return (
        Put(records.ledger_entry_record(entry), expected_version=0),
        Put(records.ledger_head_record(entry, head), expected_version=head.record_version),
    )


def _only_the_head(error: WriteConflictError) -> bool:
    keys = error.members.get("keys", [])
    own = {records.LEDGER_HEAD.partition, records.LEDGER}
    return bool(keys) and all(key.partition in own for key in keys)
