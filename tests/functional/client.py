"""A small HTTP client that sends exactly what it is told: no Accept, no Content-Type of its own."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from chalicelib.api.problems import TYPE_PREFIX


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def problem(self) -> str:
        """The problem's own name, once the answer is a whole problem."""
        assert self.headers["content-type"] == "application/problem+json", self.body[:300]
        document = self.json()
        assert document["status"] == self.status
        assert document["title"]
        assert document["detail"]
        assert document["type"].startswith(TYPE_PREFIX)
        return str(document["type"]).removeprefix(TYPE_PREFIX)


@dataclass(frozen=True)
class Client:
    """`key` is sent with every request that names no key of its own."""

    port: int
    key: str | None = None

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)

    def call(
        self,
        method: str,
        path: str,
        body: bytes | Iterable[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        connection: http.client.HTTPConnection | None = None,
    ) -> Answer:
        """An iterable body goes out chunked."""
        used = connection or self.connect()
        sent = {**({"Authorization": f"Bearer {self.key}"} if self.key else {}), **(headers or {})}
        chunked = body is not None and not isinstance(body, bytes)
        if chunked:
            sent["Transfer-Encoding"] = "chunked"
        try:
            used.request(method, path, body, sent, encode_chunked=chunked)
            response = used.getresponse()
            lower = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, lower, response.read())
        finally:
            if connection is None:
                used.close()

    def get(self, path: str, **headers: str) -> Answer:
        return self.call("GET", path, headers=headers)

    def post(self, path: str, document: Any = None) -> Answer:
        body = b"" if document is None else json.dumps(document).encode()
        return self.call("POST", path, body, {"Content-Type": "application/json"})

    def put(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """To a URL that the service gave, which carries its own signature."""
        return Client(self.port).call("PUT", path_of(url), body, headers)

    def with_key(self, key: str | None) -> Client:
        return Client(self.port, key)


def path_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path
