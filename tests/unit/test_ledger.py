"""The chain of changes, and how a change gets into it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from chalicelib.domain.errors import StoreUnavailableError, WriteConflictError
from chalicelib.domain.ledger import GENESIS, Change, LedgerEntry, LedgerHead, append, entry_from_body, first_fault
from chalicelib.domain.ports import Key, Put, Record
from chalicelib.services.ledger import Ledger
from tests.unit.memory_store import HandClock, MemoryStore

THING = Record(Key("THING", "1"), {"colour": "green"})


def change(subject: str) -> Change:
    return Change("key:tester", "thing.painted", subject, {"colour": "green"})


def chain(length: int) -> list[LedgerEntry]:
    entries: list[LedgerEntry] = []
    head = LedgerHead(0, GENESIS, 0)
    for number in range(1, length + 1):
        entries.append(append(head, change(f"thing-{number}"), 1000.0 + number))
        head = LedgerHead(number, entries[-1].hash, number)
    return entries


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def ledger(store: MemoryStore) -> Ledger:
    return Ledger(store, HandClock(), pause=lambda seconds: None)


def test_a_chain_is_whole() -> None:
    assert first_fault(chain(5)) is None


def test_an_empty_chain_is_whole() -> None:
    assert first_fault([]) is None


def test_an_entry_survives_its_storage() -> None:
    entry = chain(1)[0]
    assert entry_from_body(entry.to_body()) == entry


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("actor", "nobody"),
        ("action", "thing.sold"),
        ("subject", "other"),
        ("at_s", 1.0),
        ("details", {"colour": "red"}),
    ],
)
def test_any_changed_field_is_found(field: str, value: Any) -> None:
    entries = chain(5)
    entries[2] = replace(entries[2], **{field: value})
    assert first_fault(entries) == "Entry 3 was changed: its hash is not that of its content."


def test_a_missing_entry_is_found() -> None:
    assert first_fault([each for each in chain(5) if each.number != 3]) == "Entry 3 is missing: the next one is 4."


def test_a_rewritten_entry_breaks_the_one_after_it() -> None:
    entries = chain(3)
    forged = append(LedgerHead(1, entries[0].hash, 1), change("forged"), 5.0)
    assert first_fault([entries[0], forged, entries[2]]) == "Entry 3 does not name the hash of entry 2."


def test_swapped_entries_are_found() -> None:
    first, second = chain(2)
    assert first_fault([second, first]) is not None


def test_a_change_and_its_entry_are_written_together(ledger: Ledger, store: MemoryStore) -> None:
    entry = ledger.commit(change("thing-1"), Put(THING, expected_version=0))
    assert store.get(THING.key).body == THING.body
    assert ledger.page(None, 10)[0] == [entry]
    assert ledger.head().hash == entry.hash


def test_a_change_that_loses_its_own_race_leaves_no_entry(ledger: Ledger, store: MemoryStore) -> None:
    ledger.commit(change("thing-1"), Put(THING, expected_version=0))
    with pytest.raises(WriteConflictError):
        ledger.commit(change("thing-1"), Put(THING, expected_version=0))
    assert ledger.head().number == 1


def test_a_race_for_the_head_alone_is_run_again(ledger: Ledger, store: MemoryStore) -> None:
    store.lost_races = 5
    assert ledger.commit(change("thing-1"), Put(THING, expected_version=0)).number == 1
    assert store.lost_races == 0


def test_a_race_that_is_never_won_ends(ledger: Ledger, store: MemoryStore) -> None:
    store.lost_races = 10_000
    with pytest.raises(WriteConflictError):
        ledger.commit(change("thing-1"), Put(THING, expected_version=0))
    assert THING.key not in store.records


def test_a_store_that_is_down_writes_nothing(ledger: Ledger, store: MemoryStore) -> None:
    store.is_down = True
    with pytest.raises(StoreUnavailableError):
        ledger.commit(change("thing-1"), Put(THING, expected_version=0))
    assert store.records == {}


def test_a_long_ledger_is_verified_over_its_pages(ledger: Ledger) -> None:
    for number in range(450):
        ledger.commit(change(f"thing-{number}"))
    assert ledger.first_fault() is None


def test_an_entry_cut_off_at_the_end_is_found(ledger: Ledger, store: MemoryStore) -> None:
    for number in range(3):
        ledger.commit(change(f"thing-{number}"))
    del store.records[Key("LEDGER", f"{3:012d}")]
    assert ledger.first_fault() is not None
