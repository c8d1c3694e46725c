"""Clients are waited for, and not without an end: a request has a time in which it must be whole."""

from __future__ import annotations

import contextlib
import io
import socket
import time
from dataclasses import dataclass
from typing import Any, Literal

from cheroot.makefile import StreamReader, StreamWriter


@dataclass(frozen=True)
class Patience:
    """head_s: for a request's first line and headers. body_s: for its body, and a second more for every
    `bytes_per_s` of it that came: the slowest phone is waited for, but nobody who sends a byte now and then.

    least_s: how long nobody's place is given to another.
    """

    head_s: float = 10.0
    body_s: float = 20.0
    bytes_per_s: float = 16 * 1024
    least_s: float = 1.0


class TimedReader(StreamReader):
    """A connection's incoming bytes. Every read raises TimeoutError when the time of the request is over."""

    def __init__(self, sock: socket.socket, buffer_bytes: int) -> None:
        self.timed = TimedSocket(sock, "rb")
        super(StreamReader, self).__init__(self.timed, buffer_bytes)
        self.bytes_read = 0


class TimedWriter(StreamWriter):
    """A connection's outgoing bytes; each piece of them has the socket's own time."""

    def __init__(self, sock: socket.socket, buffer_bytes: int) -> None:
        self.timed = TimedSocket(sock, "wb")
        super(StreamWriter, self).__init__(self.timed, buffer_bytes)
        self.bytes_written = 0


class TimedSocket(socket.SocketIO):
    def __init__(self, sock: socket.socket, mode: Literal["rb", "wb"]) -> None:
        super().__init__(sock, mode)
        self._connection = sock
        self.is_given_up = False
        self.allow(Patience.head_s)

    def allow(self, seconds: float, bytes_per_s: float = float("inf")) -> None:
        """From now on, and a second more for every `bytes_per_s` that come."""
        self._began_s = time.monotonic()
        self._allowed_s = seconds
        self._bytes_per_s = bytes_per_s
        self._came = 0
        self.is_waiting = False

    @property
    def waited_s(self) -> float:
        return time.monotonic() - self._began_s

    def readinto(self, buffer: Any) -> int | None:
        left_s = self._allowed_s + self._came / self._bytes_per_s - self.waited_s
        if left_s <= 0:
            raise TimeoutError("timed out")
        self._connection.settimeout(left_s)
        self.is_waiting = True
        count = super().readinto(buffer)
        self.is_waiting = False
        if self.is_given_up:
            raise TimeoutError("timed out")
        self._came += count or 0
        return count

    def write(self, data: Any) -> int | None:
        self.is_waiting = True
        try:
            return super().write(data)
        finally:
            self.is_waiting = False

    def give_up(self) -> None:
        """From another thread: the one that waits is told that the time is over."""
        self.is_given_up = True
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RD if self.readable() else socket.SHUT_RDWR)


def timed_file(sock: socket.socket, mode: str = "rb", buffer_bytes: int = io.DEFAULT_BUFFER_SIZE) -> Any:
    """A connection's file to read from or to write to, as cheroot asks for them."""
    return TimedReader(sock, buffer_bytes) if "r" in mode else TimedWriter(sock, buffer_bytes)
