"""Many threads, few commits: each transaction is whole or not at all, whatever becomes of the others."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from chalicelib.adapters.embedded.group_commit import GroupCommit, Waiting
from chalicelib.adapters.embedded.sqlite_store import SqliteStore
from chalicelib.domain.errors import StoreUnavailableError, WriteConflictError
from chalicelib.domain.ports import Add, Key, Put, Record
from tests.device.agents import until

THREADS = 12
WRITES = 40


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    made = SqliteStore(tmp_path / "state.sqlite")
    yield made
    made.close()


def put(name: str, expected: int = 0) -> Put:
    return Put(Record(Key("P", name), {"name": name}), expected_version=expected)


def test_every_acknowledged_transaction_of_every_thread_is_there(store: SqliteStore) -> None:
    def work(thread: int) -> None:
        for number in range(WRITES):
            store.write(put(f"{thread}-{number}"), Add(Key("C", "all"), {"written": 1}))

    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(work, range(THREADS)))
    assert store.get(Key("C", "all")).counters == {"written": THREADS * WRITES}
    assert len(store.query("P", limit=1000).records) == THREADS * WRITES


def test_a_conflict_is_the_loss_of_one_thread_only(store: SqliteStore) -> None:
    def work(thread: int) -> int:
        won = 0
        for number in range(WRITES):
            try:
                store.write(put(f"{number}"), Add(Key("C", "won"), {"won": 1}))
                won += 1
            except WriteConflictError:
                continue
        return won

    with ThreadPoolExecutor(THREADS) as threads:
        assert sum(threads.map(work, range(THREADS))) == WRITES
    assert store.get(Key("C", "won")).counters == {"won": WRITES}


def test_a_body_that_is_no_json_is_its_own_threads_fault(store: SqliteStore) -> None:
    with pytest.raises(TypeError):
        store.write(Put(Record(Key("P", "set"), {"a": {1, 2}}), expected_version=0))
    store.write(put("fine"))
    assert store.get(Key("P", "fine")).version == 1


def test_who_waits_goes_along_with_the_next_commit() -> None:
    batches: list[int] = []
    first_is_in, go_on = threading.Event(), threading.Event()

    def commit(batch: Sequence[Waiting]) -> None:
        batches.append(len(batch))
        first_is_in.set()
        go_on.wait(60)

    group = GroupCommit(commit)
    with ThreadPoolExecutor(8) as threads:
        done = [threads.submit(group.write, (put("first"),))]
        assert first_is_in.wait(60)
        done += [threads.submit(group.write, (put(f"{number}"),)) for number in range(7)]
        until(lambda: len(group._waiting) == 7)
        go_on.set()
        for each in done:
            each.result()
    assert batches == [1, 7]


def test_a_commit_that_fails_fails_for_all_of_them() -> None:
    def commit(batch: Sequence[Waiting]) -> None:
        raise StoreUnavailableError("the disk is full", retry_after_s=1)

    group = GroupCommit(commit)
    for name in ("a", "b"):
        with pytest.raises(StoreUnavailableError, match="the disk is full"):
            group.write((put(name),))
