"""RecordStore in one SQLite file: WAL, synchronous=FULL, BEGIN IMMEDIATE, a connection a thread."""

from __future__ import annotations

import json
import sqlite3
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from chalicelib.adapters.cursors import checked, cursor_of
from chalicelib.adapters.embedded.group_commit import GroupCommit, Waiting
from chalicelib.adapters.embedded.schema import migrate
from chalicelib.adapters.transactions import check_writes, key_of
from chalicelib.domain.errors import RecordNotFoundError, StoreUnavailableError, WriteConflictError
from chalicelib.domain.ports import (
    Add,
    Check,
    Cursor,
    Delete,
    Index,
    IndexKey,
    Key,
    Page,
    Put,
    Record,
    RecordStore,
    Write,
)

BUSY_TIMEOUT_S = 10.0
# Each checkpoint syncs the whole file; with many small writes the usual 1000 pages are full in no time.
CHECKPOINT_PAGES = 8000
INDEX_COLUMNS = "index1_partition, index1_sort, index2_partition, index2_sort"
COLUMNS = f"partition, sort, version, body, counters, {INDEX_COLUMNS}, expires_at_s"
LAST_CHARACTER = "\U0010ffff"


class ThreadConnection(sqlite3.Connection):
    """Closes itself when its thread ends and drops it, whichever thread that is noticed in."""

    def __del__(self) -> None:
        self.close()


class SqliteStore(RecordStore):
    def __init__(self, path: Path) -> None:
        """Opens or makes the file and brings its schema up to date. Raises: StoreUnavailableError."""
        self._path = path
        self._local = threading.local()
        self._connections: weakref.WeakSet[ThreadConnection] = weakref.WeakSet()
        self._commits = GroupCommit(self._commit_all)
        path.parent.mkdir(parents=True, exist_ok=True)
        with _vendor_errors():
            migrate(self._connection())

    def get(self, key: Key) -> Record:
        sql = f"SELECT {COLUMNS} FROM records WHERE partition = ? AND sort = ?"
        with _vendor_errors():
            row = self._connection().execute(sql, (key.partition, key.sort)).fetchone()
        if row is None:
            raise RecordNotFoundError(f"Nothing is stored under {key.partition} / {key.sort}.")
        return _record(row)

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
        order = _order_columns(index)
        sql, values = _select(partition, index, order, prefix, checked(after, index), newest_first)
        with _vendor_errors():
            rows = self._connection().execute(f"{sql} LIMIT ?", (*values, limit + 1)).fetchall()
        found = [_record(row) for row in rows[:limit]]
        return Page(tuple(found), cursor_of(found[-1], index) if len(rows) > limit else None)

    def write(self, *writes: Write) -> None:
        check_writes(writes)
        self._commits.write(writes)

    def note(self, *writes: Write) -> None:
        check_writes(writes)
        self._commits.write(writes, is_durable=False)

    def _commit_all(self, batch: Sequence[Waiting]) -> None:
        """Each transaction whole or not at all, whatever becomes of the others. Raises: StoreUnavailableError."""
        with _vendor_errors():
            self._sync_commits(any(each.is_durable for each in batch))
        with _vendor_errors(), self._transaction() as connection:
            for each in batch:
                connection.execute("SAVEPOINT one")
                each.error = _apply_all(connection, each.writes)
                if each.error is not None:
                    connection.execute("ROLLBACK TO one")
                connection.execute("RELEASE one")

    def _sync_commits(self, is_durable: bool) -> None:
        """In WAL mode NORMAL leaves the file whole after a power cut, but without its last commits."""
        if getattr(self._local, "is_durable", True) is not is_durable:
            self._connection().execute(f"PRAGMA synchronous = {'FULL' if is_durable else 'NORMAL'}")
            self._local.is_durable = is_durable

    def backup(self, target: Path) -> None:
        """A whole copy of the running store. Raises: StoreUnavailableError."""
        with _vendor_errors(), closing(sqlite3.connect(target)) as copy:
            self._connection().backup(copy)

    def delete_expired(self, now_s: float, limit: int = 1000) -> int:
        """What DynamoDB's TTL does by itself: records past their `expires_at_s` go. Answers how many went."""
        sql = (
            "DELETE FROM records WHERE (partition, sort) IN "
            "(SELECT partition, sort FROM records WHERE expires_at_s < ? ORDER BY expires_at_s LIMIT ?)"
        )
        with self._commits.exclusively(), _vendor_errors(), self._transaction() as connection:
            return connection.execute(sql, (int(now_s), limit)).rowcount

    def close(self) -> None:
        """Close the connections of every thread; the store is of no use afterwards."""
        for connection in list(self._connections):
            connection.close()

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._connect()
            self._local.connection = connection
        return connection

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path,
            timeout=BUSY_TIMEOUT_S,
            isolation_level=None,
            factory=ThreadConnection,
            # Used by its own thread only; closed by any.
            check_same_thread=False,
        )
        self._connections.add(connection)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        return connection

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        connection = self._connection()
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            # A COMMIT that fails (a full disk) leaves the transaction open, or has rolled it back already.
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


@contextmanager
def _vendor_errors() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise StoreUnavailableError(
            f"The store does not answer ({error}); try again, and check the disk.", retry_after_s=1
        ) from error


def _order_columns(index: Index) -> tuple[str, ...]:
    return ("sort",) if index is Index.PRIMARY else (f"{index.value}_sort", "partition", "sort")


def _select(
    partition: str, index: Index, order: Sequence[str], prefix: str, after: Cursor | None, newest_first: bool
) -> tuple[str, tuple[Any, ...]]:
    column = "partition" if index is Index.PRIMARY else f"{index.value}_partition"
    clauses, values = [f"{column} = ?"], [partition]
    if prefix:
        bounds = [(">=", prefix), ("<", _beyond(prefix))]
        clauses += [f"{order[0]} {sign} ?" for sign, bound in bounds if bound]
        values += [bound for _, bound in bounds if bound]
    if after is not None:
        clauses.append(f"({', '.join(order)}) {'<' if newest_first else '>'} ({', '.join('?' * len(order))})")
        values += list(after)
    direction = " DESC" if newest_first else ""
    ordering = ", ".join(f"{name}{direction}" for name in order)
    where = " AND ".join(clauses)
    return f"SELECT {COLUMNS} FROM records WHERE {where} ORDER BY {ordering}", tuple(values)


def _beyond(prefix: str) -> str | None:
    """The first text after all that begin with `prefix`; None when there is none. UTF-8 sorts by code point."""
    stem = prefix.rstrip(LAST_CHARACTER)
    if not stem:
        return None
    following = ord(stem[-1]) + 1
    return stem[:-1] + chr(0xE000 if following == 0xD800 else following)


def _record(row: Sequence[Any]) -> Record:
    return Record(
        key=Key(row[0], row[1]),
        version=row[2],
        body=json.loads(row[3]),
        counters=json.loads(row[4]),
        index1=IndexKey(row[5], row[6]) if row[5] is not None else None,
        index2=IndexKey(row[7], row[8]) if row[7] is not None else None,
        expires_at_s=row[9],
    )


def _apply(connection: sqlite3.Connection, write: Write) -> bool:
    """False when the record is not at the expected version, or a counter would fall too low."""
    applier: Callable[[sqlite3.Connection, Any], bool] = _APPLIERS[type(write)]
    return applier(connection, write)


def _apply_all(connection: sqlite3.Connection, writes: Sequence[Write]) -> Exception | None:
    """Why the writes cannot be carried out; a body that is no JSON is the caller's own fault, not the others'."""
    try:
        conflicts = [key_of(write) for write in writes if not _apply(connection, write)]
    except (TypeError, ValueError) as error:
        return error
    if not conflicts:
        return None
    names = ", ".join(f"{key.partition}/{key.sort}" for key in conflicts)
    return WriteConflictError(f"Changed in the meantime: {names}. Read again and repeat.", keys=conflicts)


def _version(connection: sqlite3.Connection, key: Key) -> int:
    sql = "SELECT version FROM records WHERE partition = ? AND sort = ?"
    row = connection.execute(sql, (key.partition, key.sort)).fetchone()
    return int(row[0]) if row else 0


def _put(connection: sqlite3.Connection, write: Put) -> bool:
    record = write.record
    current = _version(connection, record.key)
    if write.expected_version is not None and current != write.expected_version:
        return False
    first, second = record.index1, record.index2
    values = (
        *(
            record.key.partition,
            record.key.sort,
            current + 1,
            json.dumps(record.body),
            json.dumps(dict(record.counters)),
        ),
        *((first.partition, first.sort) if first else (None, None)),
        *((second.partition, second.sort) if second else (None, None)),
        record.expires_at_s,
    )
    connection.execute(f"INSERT OR REPLACE INTO records ({COLUMNS}) VALUES ({', '.join('?' * 10)})", values)
    return True


def _add(connection: sqlite3.Connection, write: Add) -> bool:
    key = (write.key.partition, write.key.sort)
    sql = "SELECT counters FROM records WHERE partition = ? AND sort = ?"
    row = connection.execute(sql, key).fetchone()
    counters = json.loads(row[0]) if row else {}
    for name, amount in write.counters.items():
        counters[name] = counters.get(name, 0) + amount
    if write.least is not None and any(counters[name] < write.least for name in write.counters):
        return False
    if row:
        update = "UPDATE records SET counters = ?, version = version + 1 WHERE partition = ? AND sort = ?"
        connection.execute(update, (json.dumps(counters), *key))
    else:
        insert = "INSERT INTO records (partition, sort, version, body, counters) VALUES (?, ?, 1, '{}', ?)"
        connection.execute(insert, (*key, json.dumps(counters)))
    return True


def _check(connection: sqlite3.Connection, write: Check) -> bool:
    return _version(connection, write.key) == write.expected_version


def _delete(connection: sqlite3.Connection, write: Delete) -> bool:
    if write.expected_version is not None and _version(connection, write.key) != write.expected_version:
        return False
    key = (write.key.partition, write.key.sort)
    connection.execute("DELETE FROM records WHERE partition = ? AND sort = ?", key)
    return True


_APPLIERS: dict[type, Callable[[sqlite3.Connection, Any], bool]] = {
    Put: _put,
    Add: _add,
    Check: _check,
    Delete: _delete,
}
