"""What a home loses by itself: records past their time, and uploads that nobody used."""

import os
import time
from pathlib import Path

import pytest

from chalicelib.adapters.embedded.sqlite_store import SqliteStore
from chalicelib.adapters.embedded.sweeper import AT_ONCE, Sweeper
from chalicelib.domain.camera_frame import KEEP_S
from chalicelib.domain.errors import RecordNotFoundError
from chalicelib.domain.ports import Key, Put, Record
from tests.integration.serving import folder_blobs

DAY_S = 24 * 3600


def test_only_what_is_past_its_time_goes(tmp_path: Path) -> None:
    now_s = time.time()
    store, blobs = SqliteStore(tmp_path / "state.sqlite"), folder_blobs(tmp_path)
    for name, expires_at_s in (("past", int(now_s) - 1), ("to-come", int(now_s) + 60), ("lasting", None)):
        store.write(Put(Record(Key(name, "X"), {}, expires_at_s=expires_at_s), expected_version=0))
    source = tmp_path / "photo.jpg"
    source.write_bytes(b"a photo")
    ages = {"uploads/abandoned": DAY_S + 60, "uploads/fresh": 0, "artifacts/old": 400 * DAY_S}
    ages |= {"frames/old": KEEP_S + 60, "frames/kept": KEEP_S - 60}
    for name, age_s in ages.items():
        blobs.put(name, source)
        os.utime(blobs.path(name), (now_s - age_s, now_s - age_s))
    Sweeper(store, blobs).sweep(now_s)
    gone = [name for name in ages if not blobs.exists(name)]
    assert gone == ["uploads/abandoned", "frames/old"]
    assert store.get(Key("to-come", "X"))
    assert store.get(Key("lasting", "X"))
    with pytest.raises(RecordNotFoundError):
        store.get(Key("past", "X"))


def test_however_much_has_expired_goes_in_one_sweep(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "state.sqlite")
    for start in range(0, AT_ONCE + 50, 50):
        records = [Record(Key("EVENTS", f"{number:05d}"), {}, expires_at_s=1) for number in range(start, start + 50)]
        store.write(*[Put(record, expected_version=0) for record in records])
    Sweeper(store, folder_blobs(tmp_path)).sweep(time.time())
    assert not store.query("EVENTS", limit=1).records


def test_a_home_without_uploads_is_swept_too(tmp_path: Path) -> None:
    Sweeper(SqliteStore(tmp_path / "state.sqlite"), folder_blobs(tmp_path)).sweep(time.time())
