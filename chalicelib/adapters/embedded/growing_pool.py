"""The threads that read requests: as many as are needed, so that slow clients do not hold up others, up to a bound."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections import deque
from typing import Any

from cheroot.workers.threadpool import _SHUTDOWNREQUEST, WorkerThread  # type: ignore[attr-defined]

from chalicelib.adapters.embedded.timed_reader import TimedSocket

IDLE_S = 10.0
ENDING_S = 5.0
RELIEF_S = 0.1


class GrowingPool:
    """What cheroot asks of a pool. At its bound those who have been waited for for longest give their places up."""

    def __init__(self, server: Any, least: int, most: int) -> None:
        self.min = least
        self.max = most
        self._server = server
        self._threads: list[Any] = []
        self._free = 0
        self._waiting: deque[Any] = deque()
        self._changed = threading.Condition()
        self._is_ending = False
        self._relief: threading.Timer | None = None

    def start(self) -> None:
        with self._changed:
            for _ in range(self.min):
                self._add()

    @property
    def idle(self) -> int:
        return self._free

    @property
    def qsize(self) -> int:
        return len(self._waiting)

    def put(self, connection: Any) -> None:
        with self._changed:
            self._waiting.append(connection)
            if len(self._waiting) <= self._free:
                self._changed.notify()
            elif len(self._threads) < self.max:
                self._add()
            else:
                self._relieve_soon()

    def get(self) -> Any:
        """The next connection, for a thread that has none. Threads beyond the least number end when there is none."""
        with self._changed:
            self._free += 1
            try:
                while not self._waiting and not self._is_ending:
                    if not self._changed.wait(IDLE_S) and len(self._threads) > self.min:
                        break
                return self._waiting.popleft() if self._waiting else self._leave()
            finally:
                self._free -= 1

    def stop(self, timeout: float = 5.0) -> None:
        """Those under way have `timeout` seconds; then nothing more is read, and after a while nothing written."""
        with self._changed:
            self._is_ending = True
            self._changed.notify_all()
        self._join(timeout)
        for thread in self._alive():
            with contextlib.suppress(AttributeError):
                thread.conn.rfile.timed.give_up()
        self._join(ENDING_S)
        for thread in self._alive():
            with contextlib.suppress(AttributeError, OSError):
                thread.conn.socket.shutdown(socket.SHUT_RDWR)
        self._join(None)

    def _add(self) -> None:
        thread = WorkerThread(self._server)  # type: ignore[no-untyped-call]
        self._threads.append(thread)
        thread.start()

    def _leave(self) -> Any:
        thread = threading.current_thread()
        if not self._is_ending:
            self._threads.remove(thread)
        self._server.stats["Worker Threads"].pop(thread.name, None)
        return _SHUTDOWNREQUEST

    def _relieve_soon(self) -> None:
        if self._relief is None:
            self._relief = threading.Timer(RELIEF_S, self._relieve)
            self._relief.daemon = True
            self._relief.start()

    def _relieve(self) -> None:
        """Nobody is sent away who came a moment ago: most requests are there in milliseconds."""
        with self._changed:
            self._relief = None
            if not self._waiting or self._is_ending:
                return
            slow = sorted(self._slow(), key=lambda timed: timed.waited_s, reverse=True)
            for timed in slow[: len(self._waiting)]:
                timed.give_up()
            self._relieve_soon()

    def _slow(self) -> list[TimedSocket]:
        least_s = self._server.patience.least_s
        connections = [connection for connection in (thread.conn for thread in self._threads) if connection is not None]
        ways = [file.timed for connection in connections for file in (connection.rfile, connection.wfile)]
        return [each for each in ways if each.is_waiting and not each.is_given_up and each.waited_s > least_s]

    def _alive(self) -> list[Any]:
        return [thread for thread in self._threads if thread.is_alive()]

    def _join(self, timeout_s: float | None) -> None:
        end_s = None if timeout_s is None else time.monotonic() + timeout_s
        for thread in self._alive():
            if thread is not threading.current_thread():
                thread.join(None if end_s is None else max(0.0, end_s - time.monotonic()))
