"""Cheroot's reading of HTTP, made strict: what is broken is refused as a problem, nothing is read without an end."""

from __future__ import annotations

import contextlib
import json
import re
import select
import socket
import time
from http import HTTPStatus
from typing import Any

from cheroot.server import HeaderReader, HTTPConnection, HTTPRequest
from cheroot.wsgi import Gateway_10

from chalicelib.adapters.embedded.request_body import PIECE_BYTES, ChunkedBody, drained
from chalicelib.adapters.embedded.timed_reader import timed_file

MAX_HEADER_BYTES = 64 * 1024
LENGTH = re.compile(rb"[0-9]{1,15}")
ONCE = (b"Content-Length", b"Transfer-Encoding", b"Host")
LINGER_S = 1.0
NEXT_REQUEST_MS = 3


class Headers(dict[bytes, bytes]):
    """Those that say where a request ends may stand there once: two readers would see two requests."""

    def __setitem__(self, name: bytes, value: bytes) -> None:
        if name in ONCE and name in self:
            raise ValueError(f"{name.decode()} stands there twice.")
        super().__setitem__(name, value)


class StrictHeaders(HeaderReader):
    def __call__(self, rfile: Any, hdict: Any = None) -> Any:
        """Raises: ValueError."""
        headers = super().__call__(rfile, hdict)
        length = headers.get(b"Content-Length")
        if length is not None and not LENGTH.fullmatch(length):
            raise ValueError("Content-Length is not a number of bytes.")
        if length is not None and b"Transfer-Encoding" in headers:
            raise ValueError("Content-Length and Transfer-Encoding exclude each other.")
        return headers

    def _allow_header(self, key_name: bytes) -> bool:
        """WSGI could not tell a name with an underscore from one with a hyphen."""
        return b"_" not in key_name

    def _transform_key(self, key_name: bytes) -> bytes:
        if key_name != key_name.strip():
            raise ValueError("A space stands before a header's colon.")
        return key_name.title()


class Request(HTTPRequest):
    header_reader = StrictHeaders()

    def __init__(self, server: Any, conn: Any, proxy_mode: bool = False, strict_mode: bool = True) -> None:
        super().__init__(server, conn, proxy_mode, strict_mode)
        self.inheaders = Headers()
        self._is_read = True

    def parse_request(self) -> None:
        patience, reader = self.server.patience, self.conn.rfile.timed
        reader.allow(patience.head_s)
        super().parse_request()
        reader.allow(patience.body_s, patience.bytes_per_s)

    def respond(self) -> None:
        super().respond()
        if not self._is_read:
            self._linger()

    def send_headers(self) -> None:
        """What a route left of a body is dropped first, so that a client that only sends gets to its answer."""
        self._is_read = drained(self.rfile)
        if not self._is_read:
            self.close_connection = True
        self.conn.socket.settimeout(self.server.timeout)
        self.conn.wfile.timed.allow(self.server.timeout)
        super().send_headers()

    def simple_response(self, status: Any, msg: str = "") -> None:
        """The server's own refusals, before any route is asked."""
        code = HTTPStatus(int(str(status)[:3]))
        if code is HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            code = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
        body = json.dumps(_problem(code, msg)).encode()
        head = f"{self.server.protocol} {code.value} {code.phrase}\r\nContent-Length: {len(body)}\r\n"
        self.close_connection = True
        self.conn.socket.settimeout(self.server.timeout)
        with contextlib.suppress(OSError):
            self.conn.wfile.write(f"{head}Content-Type: application/problem+json\r\nConnection: close\r\n\r\n".encode())
            self.conn.wfile.write(body)
        self._linger()

    def _linger(self) -> None:
        """A connection that is closed with bytes unread is reset, and the answer is lost on its way."""
        end_s = time.monotonic() + LINGER_S
        with contextlib.suppress(OSError):
            self.conn.socket.shutdown(socket.SHUT_WR)
            while (left_s := end_s - time.monotonic()) > 0:
                self.conn.socket.settimeout(left_s)
                if not self.conn.socket.recv(PIECE_BYTES):
                    break


class Gateway(Gateway_10):
    def __init__(self, req: Request) -> None:
        if req.chunked_read:
            req.rfile = ChunkedBody(req.conn.rfile)
        super().__init__(req)


class Connection(HTTPConnection):
    """The thread that has answered stays for the next request for a moment: a client that waits for answers sends it at
    once, and two other threads would have to wake to bring it back here. Not while others wait for a thread."""

    RequestHandlerClass = Request

    def __init__(self, server: Any, sock: socket.socket, makefile: Any = None) -> None:
        super().__init__(server, sock, timed_file)

    def communicate(self) -> bool:
        is_kept: bool = super().communicate()  # type: ignore[no-untyped-call]
        while is_kept and self._goes_on():
            is_kept = super().communicate()  # type: ignore[no-untyped-call]
        return is_kept

    def _goes_on(self) -> bool:
        if self.server.requests.qsize > 0 or self.rfile.has_data():
            return False
        ready = select.poll()
        ready.register(self.socket, select.POLLIN)
        return bool(ready.poll(NEXT_REQUEST_MS))


def _problem(code: HTTPStatus, detail: str) -> dict[str, Any]:
    return {
        "type": "about:blank",
        "title": code.phrase,
        "status": code.value,
        "detail": detail or code.description or code.phrase,
    }
