"""The threads behind the embedded server's connections, with connections that do one thing each."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from chalicelib.adapters.embedded import growing_pool
from chalicelib.adapters.embedded.growing_pool import GrowingPool
from chalicelib.adapters.embedded.timed_reader import Patience, timed_file

WAIT_S = 10


class Server:
    """What the pool and its threads ask of a server."""

    def __init__(self, least: int, most: int) -> None:
        self.patience = Patience(least_s=0.0)
        self.stats: dict[str, Any] = {"Enabled": False, "Worker Threads": {}}
        self.logged: list[str] = []
        self.requests = GrowingPool(self, least, most)

    def error_log(self, message: str, *_: Any, **__: Any) -> None:
        self.logged.append(message)


class Connection:
    remote_addr, remote_port = "127.0.0.1", 0

    def __init__(self, act: Callable[[Connection], None]) -> None:
        self.socket, self.peer = socket.socketpair()
        self.rfile, self.wfile = timed_file(self.socket, "rb"), timed_file(self.socket, "wb")
        self.act = act
        self.ended = threading.Event()

    def communicate(self) -> bool:
        self.act(self)
        return False

    def close(self) -> None:
        for each in (self.rfile, self.wfile, self.socket, self.peer):
            with suppress(OSError):
                each.close()
        self.ended.set()


def write_without_end(connection: Connection) -> None:
    connection.wfile.write(bytes(5_000_000))


def read_without_end(connection: Connection) -> None:
    connection.rfile.read(1)


@contextmanager
def started(least: int, most: int) -> Iterator[Server]:
    server = Server(least, most)
    server.requests.start()
    try:
        yield server
    finally:
        server.requests.stop(0.1)


def until(condition: Callable[[], object]) -> None:
    end_s = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < end_s
        time.sleep(0.005)


def test_a_thread_is_added_for_whoever_finds_none_free() -> None:
    barrier = threading.Barrier(6, timeout=WAIT_S)
    with started(1, 8) as server:
        connections = [Connection(lambda _: barrier.wait() and None) for _ in range(6)]
        for connection in connections:
            server.requests.put(connection)
        for connection in connections:
            assert connection.ended.wait(WAIT_S)
    assert not server.logged


def test_threads_that_nobody_needs_any_more_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growing_pool, "IDLE_S", 0.05)
    with started(2, 8) as server:
        go_on = threading.Event()
        for _ in range(8):
            server.requests.put(Connection(lambda _: go_on.wait(WAIT_S) and None))
        assert len(server.requests._threads) == 8
        go_on.set()
        until(lambda: len(server.requests._threads) == 2)
        assert len(server.stats["Worker Threads"]) == 2
        after = Connection(lambda _: None)
        server.requests.put(after)
        assert after.ended.wait(WAIT_S)


@pytest.mark.parametrize("slow", [read_without_end, write_without_end])
def test_who_neither_sends_nor_reads_gives_way_when_there_is_no_other_thread(
    slow: Callable[[Connection], None],
) -> None:
    with started(1, 1) as server:
        first, second = Connection(slow), Connection(lambda _: None)
        server.requests.put(first)
        until(lambda: first.rfile.timed.is_waiting or first.wfile.timed.is_waiting)
        server.requests.put(second)
        assert second.ended.wait(WAIT_S)
        assert first.ended.is_set()


def test_who_is_at_work_does_not_give_way() -> None:
    with started(1, 1) as server:
        go_on = threading.Event()
        first, second = Connection(lambda _: go_on.wait(WAIT_S) and None), Connection(lambda _: None)
        server.requests.put(first)
        server.requests.put(second)
        assert not second.ended.wait(0.3)
        assert not first.ended.is_set()
        go_on.set()
        assert second.ended.wait(WAIT_S)


@pytest.mark.parametrize("slow", [read_without_end, write_without_end])
def test_the_end_waits_for_no_client(slow: Callable[[Connection], None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growing_pool, "ENDING_S", 0.2)
    with started(4, 4) as server:
        connections = [Connection(slow) for _ in range(4)]
        for connection in connections:
            server.requests.put(connection)
            until(lambda each=connection: each.rfile.timed.is_waiting or each.wfile.timed.is_waiting)  # type: ignore[misc]
    assert all(connection.ended.is_set() for connection in connections)
