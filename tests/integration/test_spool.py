"""Where bodies wait: in memory while there is some, then on the disk."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from chalicelib.adapters.embedded.spool import Spool
from chalicelib.domain.errors import ServerBusyError
from device.runtime.memory_share import MemoryShare

PIECE = bytes(range(256)) * 4


def written(spool: Spool, pieces: int) -> Spool:
    for _ in range(pieces):
        spool.write(PIECE)
    return spool


def open_files() -> int:
    return sum("deleted" in str(link.readlink()) for link in Path("/proc/self/fd").iterdir() if link.is_symlink())


@pytest.mark.parametrize("pieces", [0, 1, 4, 5, 40])
def test_what_is_written_is_read_wherever_it_waited(tmp_path: Path, pieces: int) -> None:
    spool = written(Spool(MemoryShare(4 * len(PIECE)), tmp_path), pieces)
    assert (spool.read(), spool.size) == (PIECE * pieces, pieces * len(PIECE))
    assert spool.read() == PIECE * pieces
    spool.close()


def test_the_disk_takes_what_the_memory_has_no_room_for_and_keeps_nothing(tmp_path: Path) -> None:
    share = MemoryShare(4 * len(PIECE))
    before = open_files()
    first, second = written(Spool(share, tmp_path), 3), written(Spool(share, tmp_path), 3)
    assert open_files() == before + 1
    assert first.read() == second.read() == PIECE * 3
    for spool in (first, second):
        spool.close()
    assert open_files() == before
    assert list(tmp_path.iterdir()) == []
    assert share.take_at_once(4 * len(PIECE))


def test_many_that_never_end_hold_no_more_memory_than_there_is(tmp_path: Path) -> None:
    share = MemoryShare(4 * len(PIECE))
    spools = [Spool(share, tmp_path) for _ in range(20)]
    threads = [threading.Thread(target=written, args=(spool, 10)) for spool in spools]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(spool.read() == PIECE * 10 for spool in spools)
    for spool in spools:
        spool.close()
    assert share.take_at_once(4 * len(PIECE))


def test_without_room_on_the_disk_either_the_client_is_told_to_come_back(tmp_path: Path) -> None:
    spool = Spool(MemoryShare(1), tmp_path / "not-there")
    with pytest.raises(ServerBusyError) as refused:
        spool.write(PIECE)
    assert refused.value.members["retry_after_s"] > 0
