"""The SQLite schema as numbered migrations; `PRAGMA user_version` holds the last one applied."""

from __future__ import annotations

import sqlite3

from chalicelib.domain.errors import StoreUnavailableError

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE records (
            partition TEXT NOT NULL, sort TEXT NOT NULL, version INTEGER NOT NULL, body TEXT NOT NULL,
            counters TEXT NOT NULL DEFAULT '{}', index1_partition TEXT, index1_sort TEXT, index2_partition TEXT,
            index2_sort TEXT, expires_at_s INTEGER, PRIMARY KEY (partition, sort)) WITHOUT ROWID""",
        "CREATE INDEX records_index1 ON records (index1_partition, index1_sort) WHERE index1_partition IS NOT NULL",
        "CREATE INDEX records_index2 ON records (index2_partition, index2_sort) WHERE index2_partition IS NOT NULL",
        "CREATE INDEX records_expiry ON records (expires_at_s) WHERE expires_at_s IS NOT NULL",
    ),
)


def migrate(connection: sqlite3.Connection) -> None:
    """Apply what is missing, each migration whole or not at all.

    Raises: StoreUnavailableError when the file was written by a newer Binsight.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        _apply_missing(connection)
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _apply_missing(connection: sqlite3.Connection) -> None:
    (applied,) = connection.execute("PRAGMA user_version").fetchone()
    if applied > len(MIGRATIONS):
        raise StoreUnavailableError(
            f"A newer Binsight wrote this home (schema {applied}, known here: {len(MIGRATIONS)}); update Binsight."
        )
    for number, statements in enumerate(MIGRATIONS[applied:], start=applied + 1):
        for statement in statements:
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {number}")
