"""Keeping the embedded state: backup while it runs, restore, migrations, the ledger's check as a command."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tarfile
import threading
from pathlib import Path

import pytest

from chalicelib.adapters.embedded import schema
from chalicelib.adapters.embedded.backup import BackupError, back_up, restore
from chalicelib.adapters.embedded.sqlite_store import SqliteStore
from chalicelib.bootstrap import embedded_services
from chalicelib.config import from_environment
from chalicelib.domain.access import Scope
from chalicelib.services.suite import Services
from tests.device.agents import until

ROOT = Path(__file__).parents[2]
# On a slow disk the writer makes thousands of entries while the backup is made.
EVERYTHING = 1_000_000


def services_of(home: Path) -> Services:
    return embedded_services(from_environment({"BINSIGHT_HOME": str(home), "BINSIGHT_STARTER": "off"}))


def make_key(services: Services, name: str) -> str:
    return services.access.create(name, frozenset({Scope.INFERENCE}), "test")[0].id


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    services = services_of(home)
    make_key(services, "first")
    (home / "files" / "artifacts").mkdir(parents=True)
    (home / "files" / "artifacts" / "a.tar.gz").write_bytes(b"packed")
    (home / "files" / "uploads").mkdir()
    (home / "files" / "uploads" / "half").write_bytes(b"under way")
    return home


def test_a_backup_made_while_others_write_is_whole(home: Path, tmp_path: Path) -> None:
    services, stop, written = services_of(home), threading.Event(), []

    def write() -> None:
        while not stop.is_set():
            written.append(make_key(services, "while it runs"))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        until(lambda: len(written) >= 5)
        before = list(written)
        back_up(home, tmp_path / "backup.tar.gz")
    finally:
        stop.set()
        writer.join()
    restore(tmp_path / "backup.tar.gz", tmp_path / "restored")
    restored = services_of(tmp_path / "restored")
    assert restored.ledger.first_fault() is None
    kept = {entry.subject for entry in restored.ledger.page(None, EVERYTHING)[0]}
    assert set(before) <= kept
    assert restored.ledger.head().number == len(kept)


def test_files_and_the_signing_key_come_back_and_uploads_do_not(home: Path, tmp_path: Path) -> None:
    back_up(home, tmp_path / "backup.tar.gz")
    restore(tmp_path / "backup.tar.gz", tmp_path / "restored")
    assert (tmp_path / "restored/files/artifacts/a.tar.gz").read_bytes() == b"packed"
    assert (tmp_path / "restored/signing.key").read_bytes() == (home / "signing.key").read_bytes()
    assert (tmp_path / "restored/signing.key").stat().st_mode & 0o077 == 0
    assert not (tmp_path / "restored/files/uploads").exists()


def test_nothing_is_overwritten_in_either_direction(home: Path, tmp_path: Path) -> None:
    back_up(home, tmp_path / "backup.tar.gz")
    with pytest.raises(BackupError, match="exists"):
        back_up(home, tmp_path / "backup.tar.gz")
    before = (home / "state.sqlite").read_bytes()
    with pytest.raises(BackupError, match="not empty"):
        restore(tmp_path / "backup.tar.gz", home)
    assert (home / "state.sqlite").read_bytes() == before


def test_a_home_that_is_not_there_is_not_backed_up(tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="no home"):
        back_up(tmp_path / "nowhere", tmp_path / "backup.tar.gz")
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_backup_makes_no_home(tmp_path: Path) -> None:
    (tmp_path / "text.tar.gz").write_text("text")
    with tarfile.open(tmp_path / "other.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "text.tar.gz", "readme")
    broken = tmp_path / "broken.tar.gz"
    (tmp_path / "state.sqlite").write_bytes(b"x" * 5000)
    with tarfile.open(broken, "w:gz") as tar:
        tar.add(tmp_path / "state.sqlite", "state.sqlite")
    for name in ("text.tar.gz", "other.tar.gz", "broken.tar.gz", "missing.tar.gz"):
        with pytest.raises(BackupError):
            restore(tmp_path / name, tmp_path / "new")
        assert not (tmp_path / "new").exists()
    assert [path.name for path in tmp_path.glob(".restore-*")] == []


def test_a_backup_of_a_newer_binsight_is_refused(home: Path, tmp_path: Path) -> None:
    connection = sqlite3.connect(home / "state.sqlite")
    connection.execute(f"PRAGMA user_version = {len(schema.MIGRATIONS)}")
    connection.close()
    back_up(home, tmp_path / "backup.tar.gz")
    restore(tmp_path / "backup.tar.gz", tmp_path / "one")
    folder = tmp_path / "newer"
    folder.mkdir()
    newer = sqlite3.connect(folder / "state.sqlite")
    newer.execute("PRAGMA user_version = 999")
    newer.close()
    with tarfile.open(tmp_path / "newer.tar.gz", "w:gz") as tar:
        tar.add(folder / "state.sqlite", "state.sqlite")
    with pytest.raises(BackupError, match="newer"):
        restore(tmp_path / "newer.tar.gz", tmp_path / "two")


def command(module: str, *arguments: str, home: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "BINSIGHT_HOME": str(home), "BINSIGHT_STARTER": "off"}
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_commands_say_what_they_did_and_why_they_did_not(home: Path, tmp_path: Path) -> None:
    backup = str(tmp_path / "b.tar.gz")
    assert command("chalicelib.keeping", "backup", backup, home=home).returncode == 0
    assert command("chalicelib.keeping", "restore", backup, home=tmp_path / "new").returncode == 0
    refused = command("chalicelib.keeping", "restore", backup, home=home)
    assert (refused.returncode, "not empty" in refused.stderr) == (1, True)
    assert command("chalicelib.keeping", "backup", "", home=home).returncode == 2
    assert "Traceback" not in refused.stderr


def test_the_ledgers_check_finds_a_change_and_says_where(home: Path, tmp_path: Path) -> None:
    whole = command("chalicelib.verify_ledger", home=home)
    assert (whole.returncode, "1 entries" in whole.stdout) == (0, True)
    connection = sqlite3.connect(home / "state.sqlite")
    connection.execute("UPDATE records SET body = replace(body, 'first', 'worst') WHERE partition = 'LEDGER'")
    connection.commit()
    connection.close()
    changed = command("chalicelib.verify_ledger", home=home)
    assert (changed.returncode, "Entry 1 was changed" in changed.stdout) == (1, True)
    assert command("chalicelib.verify_ledger", home=tmp_path / "nowhere").returncode == 2


def tables(path: Path) -> set[str]:
    connection = sqlite3.connect(path)
    found = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    connection.close()
    return found


def test_migrations_are_applied_in_order_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "state.sqlite"
    SqliteStore(path).close()
    added = (("CREATE TABLE one (a)",), ("CREATE TABLE two (a)", "INSERT INTO two VALUES (1)"))
    monkeypatch.setattr(schema, "MIGRATIONS", schema.MIGRATIONS + added)
    for _ in range(2):
        SqliteStore(path).close()
    assert tables(path) >= {"records", "one", "two"}
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT count(*) FROM two").fetchone() == (1,)
    connection.close()


def test_a_migration_that_fails_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from chalicelib.domain.errors import StoreUnavailableError

    path = tmp_path / "state.sqlite"
    SqliteStore(path).close()
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, ("CREATE TABLE one (a)", "CREATE NONSENSE")))
    with pytest.raises(StoreUnavailableError):
        SqliteStore(path)
    assert "one" not in tables(path)
    monkeypatch.undo()
    SqliteStore(path).close()
