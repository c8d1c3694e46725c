"""The embedded server's side of a request, without sockets: what waits for what."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from chalicelib.adapters.embedded import wsgi
from chalicelib.adapters.embedded.wsgi import HANDLED_AT_ONCE, LambdaWsgi

MANY = HANDLED_AT_ONCE + 4
LARGE = 100_000


class Handler:
    """Answers a body when it is told to, and everything else at once."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.arrived = threading.Semaphore(0)
        self.at_work = self.most = 0
        self._counting = threading.Lock()

    def __call__(self, event: dict[str, Any], _: Any) -> dict[str, Any]:
        if event["body"]:
            with self._counting:
                self.at_work += 1
                self.most = max(self.most, self.at_work)
            self.arrived.release()
            assert self.go_on.wait(10)
            with self._counting:
                self.at_work -= 1
        return {"statusCode": 200, "headers": {}, "body": str(len(event["body"]))}


class Memory:
    def __init__(self) -> None:
        self.asked: list[int] = []

    @contextmanager
    def __call__(self, size_bytes: int) -> Iterator[None]:
        self.asked.append(size_bytes)
        yield


def ask(app: LambdaWsgi, body: bytes = b"") -> str:
    environ = {"REQUEST_METHOD": "POST" if body else "GET", "PATH_INFO": "/x", "wsgi.input": BytesIO(body)}
    if body:
        environ["CONTENT_LENGTH"] = str(len(body))
    return b"".join(app(environ, lambda *_: None)).decode()


def test_so_many_are_worked_on_at_once_and_what_has_no_body_waits_for_none_of_them(tmp_path: Path) -> None:
    handler = Handler()
    app = LambdaWsgi(handler, ["/x"], 1000, Memory(), tmp_path)
    with ThreadPoolExecutor(MANY) as pool:
        answers = [pool.submit(ask, app, b"body") for _ in range(MANY)]
        for _ in range(HANDLED_AT_ONCE):
            assert handler.arrived.acquire(timeout=10)
        assert ask(app) == "0"
        assert not handler.arrived.acquire(timeout=0.1)
        handler.go_on.set()
        assert {answer.result() for answer in answers} == {"4"}
    assert handler.most == HANDLED_AT_ONCE


@pytest.mark.parametrize("incoming", [10 * LARGE, LARGE, 1000])
def test_a_large_body_is_whole_whether_it_waited_in_memory_or_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, incoming: int
) -> None:
    monkeypatch.setattr(wsgi, "INCOMING_BYTES", incoming)
    memory, bodies = Memory(), []

    def handler(event: dict[str, Any], _: Any) -> dict[str, Any]:
        bodies.append(event["body"])
        return {"statusCode": 200, "headers": {}, "body": ""}

    app = LambdaWsgi(handler, ["/x"], LARGE, memory, tmp_path)
    body = bytes(range(250)) * (LARGE // 250)
    ask(app, body)
    ask(app, b"small")
    assert bodies == [body, b"small"]
    assert memory.asked == [3 * LARGE, 0]
    assert list(tmp_path.iterdir()) == []
