"""A copy of the embedded state while the service runs, and its way back.

The store is copied first and the files after it: files are content-addressed and only ever added, so that every file
which the copied store names is in the copy too. What is being downloaded, unpacked or trained is not state.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from chalicelib.adapters.embedded.schema import MIGRATIONS
from chalicelib.adapters.embedded.sqlite_store import SqliteStore

STORE, FILES, KEY = "state.sqlite", "files", "signing.key"
UPLOADS = "uploads"
TEMPORARY = (".partial-", ".upload-")


class BackupError(RuntimeError):
    """No backup was made, or nothing was restored; the message says why."""


def back_up(home: Path, archive: Path) -> int:
    """Writes `archive` (.tar.gz), whole or not at all; how many files it holds. Raises: BackupError."""
    if not (home / STORE).exists():
        raise BackupError(f"There is no home in {home}.")
    if archive.exists():
        raise BackupError(f"{archive} exists; nothing is overwritten.")
    archive.parent.mkdir(parents=True, exist_ok=True)
    incoming = archive.with_name(f".{archive.name}.{os.getpid()}")
    try:
        count = _pack(home, incoming)
        incoming.replace(archive)
    finally:
        incoming.unlink(missing_ok=True)
    return count


def restore(archive: Path, home: Path) -> int:
    """Makes `home` of the archive; how many files it holds. Raises: BackupError, also when `home` holds anything."""
    if home.exists() and any(home.iterdir()):
        raise BackupError(f"{home} is not empty; restore into a new BINSIGHT_HOME, or move the old one away first.")
    home.parent.mkdir(parents=True, exist_ok=True)
    incoming = Path(tempfile.mkdtemp(dir=home.parent, prefix=".restore-"))
    try:
        count = _unpack(archive, incoming)
        _check_store(incoming / STORE)
        if home.exists():
            home.rmdir()
        incoming.rename(home)
    finally:
        shutil.rmtree(incoming, ignore_errors=True)
    return count


def _pack(home: Path, target: Path) -> int:
    with tempfile.TemporaryDirectory(dir=target.parent) as folder, tarfile.open(target, "w:gz", compresslevel=1) as tar:
        copy = Path(folder) / STORE
        SqliteStore(home / STORE).backup(copy)
        members = [(copy, STORE), (home / KEY, KEY), *_files(home / FILES)]
        for path, name in members:
            tar.add(path, name, recursive=False)
    return len(members)


def _files(folder: Path) -> Iterator[tuple[Path, str]]:
    """Uploads are left out: they come and go, and their senders send them again."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if path.is_file() and name.parts[0] != UPLOADS and not path.name.startswith(TEMPORARY):
            yield path, f"{FILES}/{name}"


def _unpack(archive: Path, folder: Path) -> int:
    try:
        with tarfile.open(archive, "r:gz") as tar:
            tar.extractall(folder, filter="data")
            count = len(tar.getmembers())
    except (OSError, tarfile.TarError, EOFError) as error:
        raise BackupError(f"{archive} cannot be read: {error}") from error
    if not (folder / STORE).exists():
        raise BackupError(f"{archive} is no backup of ours: it holds no {STORE}.")
    return count


def _check_store(path: Path) -> None:
    try:
        with closing(sqlite3.connect(path)) as connection:
            (verdict,) = connection.execute("PRAGMA quick_check").fetchone()
            (schema,) = connection.execute("PRAGMA user_version").fetchone()
    except sqlite3.Error as error:
        raise BackupError(f"The backup's store cannot be read: {error}") from error
    if verdict != "ok":
        raise BackupError(f"The backup's store is damaged: {verdict}")
    if schema > len(MIGRATIONS):
        raise BackupError(f"A newer Binsight made this backup (schema {schema}); update Binsight first.")
