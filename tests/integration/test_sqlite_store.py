"""What only SQLite can do wrong: threads' connections, several processes at one file, a full disk, growing for ever."""

import gc
import sqlite3
import subprocess
import sys
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.adapters.embedded.sqlite_store import SqliteStore
from chalicelib.domain.errors import StoreUnavailableError
from chalicelib.domain.ports import Index, IndexKey, Key, Put, Record

ROOT = Path(__file__).parents[2]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.sqlite"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(path)
    yield store
    store.close()


def put(store: SqliteStore, sort: str, **changes: object) -> None:
    store.write(Put(Record(Key("P", sort), {}, **changes), expected_version=None))


def in_a_thread(work: object) -> None:
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def test_a_thread_that_ends_leaves_no_open_connection(store: SqliteStore) -> None:
    seen: list[weakref.ref[sqlite3.Connection]] = []
    in_a_thread(lambda: seen.append(weakref.ref(store._connection())))
    gc.collect()
    assert seen[0]() is None


def test_closing_the_store_closes_the_connections_of_every_thread(store: SqliteStore) -> None:
    open_, close = threading.Event(), threading.Event()
    connections: list[sqlite3.Connection] = []

    def stay() -> None:
        connections.append(store._connection())
        open_.set()
        close.wait(60)

    thread = threading.Thread(target=stay)
    thread.start()
    assert open_.wait(60)
    store.close()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        connections[0].execute("SELECT 1")
    close.set()
    thread.join()


def test_a_write_after_one_whose_commit_failed_is_whole(store: SqliteStore) -> None:
    put(store, "before")
    pages = store._connection().execute("PRAGMA page_count").fetchone()[0]
    store._connection().execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreUnavailableError, match="full"):
        store.write(Put(Record(Key("P", "large"), {"x": "y" * 200_000}), expected_version=None))
    store._connection().execute(f"PRAGMA max_page_count = {pages + 1000}")
    put(store, "after")
    assert [record.key.sort for record in store.query("P").records] == ["after", "before"]


def test_a_transaction_whose_commit_fails_is_rolled_back(store: SqliteStore) -> None:
    connection = store._connection()
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("CREATE TABLE parent (id INTEGER PRIMARY KEY)")
    connection.execute("CREATE TABLE child (id INTEGER REFERENCES parent DEFERRABLE INITIALLY DEFERRED)")
    with pytest.raises(sqlite3.IntegrityError), store._transaction() as inside:
        inside.execute("INSERT INTO child VALUES (7)")
    put(store, "after")
    assert connection.execute("SELECT COUNT(*) FROM child").fetchone() == (0,)


def test_expired_records_go_and_the_others_stay(store: SqliteStore) -> None:
    for sort, expires_at_s in (("old", 10), ("older", 5), ("fresh", 100), ("kept", None)):
        put(store, sort, expires_at_s=expires_at_s)
    assert store.delete_expired(now_s=50, limit=1) == 1
    assert store.delete_expired(now_s=50.5) == 1
    assert store.delete_expired(now_s=50) == 0
    assert [record.key.sort for record in store.query("P").records] == ["fresh", "kept"]


def test_several_processes_can_open_a_new_home_at_once(path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from chalicelib.adapters.embedded.sqlite_store import SqliteStore; "
        "from chalicelib.domain.ports import Add, Key; store = SqliteStore(Path(sys.argv[1])); "
        "[store.write(Add(Key('P', 'n'), {'n': 1})) for _ in range(20)]; store.close()"
    )
    command = [sys.executable, "-W", "error", "-c", program, str(path)]
    processes = [subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) for _ in range(6)]
    failures = [process.communicate()[1] for process in processes]
    assert failures == [""] * 6
    store = SqliteStore(path)
    assert store.get(Key("P", "n")).counters == {"n": 120}
    store.close()


@pytest.mark.parametrize("index", list(Index))
def test_no_query_reads_more_than_its_page(store: SqliteStore, index: Index) -> None:
    place = IndexKey("P", "1")
    put(store, "1", index1=place, index2=place)
    statements: list[str] = []
    store._connection().set_trace_callback(statements.append)
    cursor = ("1",) if index is Index.PRIMARY else ("1", "P", "1")
    store.query("P", index=index, after=cursor, prefix="1", newest_first=True, limit=5)
    store._connection().set_trace_callback(None)
    plan = [row[3] for row in store._connection().execute(f"EXPLAIN QUERY PLAN {statements[-1]}")]
    assert len(plan) == 1
    assert plan[0].startswith("SEARCH records USING")


def test_a_home_of_a_newer_binsight_is_refused(path: Path) -> None:
    SqliteStore(path).close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 1000")
    connection.close()
    with pytest.raises(StoreUnavailableError, match="newer"):
        SqliteStore(path)


def test_a_file_that_is_no_database_is_refused(path: Path) -> None:
    path.write_bytes(b"not a database at all, but long enough to be taken for one" * 100)
    with pytest.raises(StoreUnavailableError):
        SqliteStore(path)


def test_a_backup_of_the_running_store_is_whole(store: SqliteStore, tmp_path: Path) -> None:
    for n in range(50):
        put(store, f"{n:02}")
    store.backup(tmp_path / "copy.sqlite")
    put(store, "later")
    copy = SqliteStore(tmp_path / "copy.sqlite")
    assert len(copy.query("P", limit=100).records) == 50
    copy.close()
