"""RecordStore in one SQLite file: WAL, synchronous=FULL, BEGIN IMMEDIATE, a connection a thread."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from chalicelib.adapters.embedded.schema import migrate
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
INDEX_COLUMNS = "index1_partition, index1_sort, index2_partition, index2_sort"
COLUMNS = f"partition, sort, version, body, counters, {INDEX_COLUMNS}, expires_at_s"
PREFIX_END = "\U0010ffff"


class SqliteStore(RecordStore):
    def __init__(self, path: Path) -> None:
        """Opens or makes the file and brings its schema up to date. Raises: StoreUnavailableError."""
        self._path = path
        self._local = threading.local()
        self._writing = threading.Lock()
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
        sql, values = _select(partition, index, order, prefix, after, newest_first)
        with _vendor_errors():
            rows = self._connection().execute(f"{sql} LIMIT ?", (*values, limit + 1)).fetchall()
        found = [_record(row) for row in rows[:limit]]
        return Page(tuple(found), _cursor(found[-1], index) if len(rows) > limit else None)

    def write(self, *writes: Write) -> None:
        with self._writing, _vendor_errors(), self._transaction() as connection:
            conflicts = [write.key if not isinstance(write, Put) else write.record.key
                         for write in writes if not _apply(connection, write)]  # fmt: skip
            if conflicts:
                names = ", ".join(f"{key.partition}/{key.sort}" for key in conflicts)
                raise WriteConflictError(f"Changed in the meantime: {names}. Read again and repeat.", keys=conflicts)

    def backup(self, target: Path) -> None:
        """A whole copy of the running store. Raises: StoreUnavailableError."""
        with _vendor_errors(), sqlite3.connect(target) as copy:
            self._connection().backup(copy)
        copy.close()

    def close(self) -> None:
        """Close this thread's connection."""
        connection = getattr(self._local, "connection", None)
        if connection is not None:
            connection.close()
            self._local.connection = None

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = sqlite3.connect(self._path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            self._local.connection = connection
        return connection

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        connection = self._connection()
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")


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
        clauses.append(f"{order[0]} >= ? AND {order[0]} < ?")
        values += [prefix, prefix + PREFIX_END]
    if after is not None:
        clauses.append(f"({', '.join(order)}) {'<' if newest_first else '>'} ({', '.join('?' * len(order))})")
        values += list(after)
    direction = " DESC" if newest_first else ""
    ordering = ", ".join(f"{name}{direction}" for name in order)
    where = " AND ".join(clauses)
    return f"SELECT {COLUMNS} FROM records WHERE {where} ORDER BY {ordering}", tuple(values)


def _cursor(record: Record, index: Index) -> Cursor:
    if index is Index.PRIMARY:
        return (record.key.sort,)
    place = record.index1 if index is Index.FIRST else record.index2
    assert place is not None, "a record found through an index has that index"
    return (place.sort, record.key.partition, record.key.sort)


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
    """False when the record is not at the expected version."""
    applier: Callable[[sqlite3.Connection, Any], bool] = _APPLIERS[type(write)]
    return applier(connection, write)


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
