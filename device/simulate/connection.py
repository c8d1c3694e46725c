"""A small keep-alive HTTP/1.1 client: thousands of cameras share a few connections; http.client is too slow for it."""

from __future__ import annotations

import json
import socket
import ssl
from typing import Any, Dict, NamedTuple, Optional
from urllib.parse import urlsplit

TIMEOUT_S = 60.0
_CHUNK_BYTES = 65536


class Answer(NamedTuple):
    status: int
    headers: Dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body.decode("utf-8"))

    @property
    def problem(self) -> str:
        """The last part of the problem's type; '' where the answer is none."""
        if self.status < 400:
            return ""
        try:
            return str(self.json()["type"]).rpartition(":")[2]
        except (ValueError, KeyError):
            return "http-%d" % self.status


class Connection:
    """One at a time; it connects anew when the service has closed it. Raises: OSError when nobody answers."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._is_secure = parts.scheme == "https"
        self._host = parts.hostname or "127.0.0.1"
        self._port = parts.port or (443 if self._is_secure else 80)
        self._socket: Optional[socket.socket] = None
        self._rest = b""

    def call(
        self,
        method: str,
        path: str,
        key: Optional[str] = None,
        document: Any = None,
        headers: Optional[Dict[str, str]] = None,
    ) -> Answer:
        body = b"" if document is None else json.dumps(document, separators=(",", ":")).encode("utf-8")
        request = self._request(method, path, key, body, headers or {})
        try:
            return self._exchange(request)
        except ConnectionError:
            # A kept connection may have been closed meanwhile; a report that is sent twice is a replay.
            self.close()
            return self._exchange(request)

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket, self._rest = None, b""

    def _request(self, method: str, path: str, key: Optional[str], body: bytes, headers: Dict[str, str]) -> bytes:
        lines = ["%s %s HTTP/1.1" % (method, path), "Host: %s:%d" % (self._host, self._port)]
        if key:
            lines.append("Authorization: Bearer %s" % key)
        if body or method in ("POST", "PATCH"):
            lines += ["Content-Type: application/json", "Content-Length: %d" % len(body)]
        lines += ["%s: %s" % item for item in headers.items()]
        return "\r\n".join(lines).encode("ascii") + b"\r\n\r\n" + body

    def _exchange(self, request: bytes) -> Answer:
        if self._socket is None:
            self._socket = self._connected()
        try:
            self._socket.sendall(request)
            return self._answer()
        except OSError:
            self.close()
            raise

    def _connected(self) -> socket.socket:
        plain = socket.create_connection((self._host, self._port), TIMEOUT_S)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not self._is_secure:
            return plain
        return ssl.create_default_context().wrap_socket(plain, server_hostname=self._host)

    def _answer(self) -> Answer:
        head = self._until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        status = int(head[0].split(" ", 2)[1])
        headers = {}
        for line in head[1:]:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        length = 0 if status in (204, 304) else int(headers.get("content-length", "0"))
        body = self._exactly(length)
        if headers.get("connection", "").lower() == "close":
            self.close()
        return Answer(status, headers, body)

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._rest:
            self._rest += self._received()
        found, _, self._rest = self._rest.partition(mark)
        return found

    def _exactly(self, length: int) -> bytes:
        parts, missing = [self._rest], length - len(self._rest)
        while missing > 0:
            parts.append(self._received())
            missing -= len(parts[-1])
        whole = b"".join(parts)
        self._rest = whole[length:]
        return whole[:length]

    def _received(self) -> bytes:
        assert self._socket is not None, "a request was sent before"
        data = self._socket.recv(_CHUNK_BYTES)
        if not data:
            raise ConnectionResetError("the service closed the connection")
        return data
