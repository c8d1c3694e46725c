"""Requests that no HTTP client would send, byte by byte: each is answered, with a problem, and costs no memory."""

from __future__ import annotations

import json
import re
import socket
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.device.models import RED, jpeg, plain
from tests.functional.client import Answer
from tests.functional.service import ADMIN_KEY, Service

MB = 1024 * 1024
PHOTO = jpeg(plain(RED))
KEY = f"Authorization: Bearer {ADMIN_KEY}\r\n"
CHUNKED = "Transfer-Encoding: chunked\r\n"


def request(headers: str = "", body: bytes = b"", method: str = "POST", path: str = "/classify") -> bytes:
    return f"{method} {path} HTTP/1.1\r\nHost: x\r\n{headers}\r\n".encode("latin-1") + body


def length(size: object) -> str:
    return f"Content-Length: {size}\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


class Wire:
    """One connection, and what comes back over it."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self._stream = self._socket.makefile("rb")

    def send(self, data: bytes, *, end: bool = False) -> None:
        self._socket.sendall(data)
        if end:
            self._socket.shutdown(socket.SHUT_WR)

    def answer(self) -> Answer:
        status = int(self._stream.readline().split()[1])
        headers = {}
        while line := self._stream.readline().strip():
            name, _, value = line.decode().partition(": ")
            headers[name.lower()] = value
        return Answer(status, headers, self._stream.read(int(headers.get("content-length", "0"))))

    def fileno(self) -> int:
        return self._socket.fileno()

    def is_closed(self) -> bool:
        return self._stream.read(1) == b""

    def close(self) -> None:
        self._stream.close()
        self._socket.close()


@contextmanager
def wire(service: Service) -> Iterator[Wire]:
    connection = Wire(service.settings.port)
    try:
        yield connection
    finally:
        connection.close()


def ask(service: Service, data: bytes, *, end: bool = False) -> Answer:
    with wire(service) as connection:
        connection.send(data, end=end)
        return connection.answer()


def is_a_problem(answer: Answer, status: int) -> None:
    assert (answer.status, answer.headers["content-type"]) == (status, "application/problem+json"), answer.body
    document = answer.json()
    assert document["status"] == status
    assert document["title"]
    assert len(document["detail"]) > 10


BROKEN = {
    "a negative length": request(KEY + length(-5), PHOTO),
    "a length with a sign": request(KEY + length("+5"), PHOTO),
    "a length with an underscore": request(KEY + length("1_0"), PHOTO),
    "a length that is no number": request(KEY + length("many"), PHOTO),
    "a length of 5000 digits": request(KEY + length("9" * 5000), PHOTO),
    "two lengths": request(KEY + length(len(PHOTO)) + length(5), PHOTO),
    "a length and chunks": request(KEY + length(5) + CHUNKED, chunk(PHOTO) + b"0\r\n\r\n"),
    "a chunk size that is no number": request(KEY + CHUNKED, b"zz\r\nabc\r\n0\r\n\r\n"),
    "a negative chunk size": request(KEY + CHUNKED, b"-5\r\nabc\r\n0\r\n\r\n"),
    "a chunk size of 5000 digits": request(KEY + CHUNKED, b"f" * 5000 + b"\r\nabc\r\n"),
    "a chunk longer than its size": request(KEY + CHUNKED, b"3\r\nabcdef\r\n0\r\n\r\n"),
    "a chunk that breaks off": request(KEY + CHUNKED, b"ffff\r\nabc"),
    "chunks without an end": request(KEY + CHUNKED, chunk(PHOTO)),
    "a trailer without an end": request(KEY + CHUNKED, chunk(PHOTO) + b"0\r\nX: " + b"y" * 100_000),
    "fewer bytes than announced": request(KEY + length(len(PHOTO) + 9), PHOTO),
    "two hosts": request(KEY + "Host: y\r\n" + length(len(PHOTO)), PHOTO),
    "a space before the colon": request(KEY + "Content-Length : 5\r\n", PHOTO),
    "a header without a colon": request(KEY + "nonsense\r\n"),
    "no version": b"POST /classify\r\n\r\n",
    "line feeds alone": b"POST /classify HTTP/1.1\nHost: x\n\n",
    "a TLS greeting": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100),
    "a fragment": request(KEY, path="/classify#photo"),
    "a method in small letters": request(KEY, method="post"),
    "a body chunked and packed": request(KEY + "Transfer-Encoding: gzip, chunked\r\n", chunk(PHOTO)),
}  # fmt: skip
OTHER_STATUS = {"a body chunked and packed": 501}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_http_is_a_problem_and_ends_its_connection(serving: Service, name: str) -> None:
    with wire(serving) as connection:
        connection.send(BROKEN[name], end=True)
        is_a_problem(connection.answer(), OTHER_STATUS.get(name, 400))
        assert connection.is_closed()


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (request(KEY + "X-Long: " + "a" * 100_000 + "\r\n"), 431),
        (request(KEY + "X: y\r\n" * 20_000), 431),
        (request(KEY, path="/" + "a" * 100_000), 414),
    ],
    ids=["one long header", "many headers", "a long path"],
)
def test_headers_have_an_end(serving: Service, data: bytes, status: int) -> None:
    is_a_problem(ask(serving, data), status)


def test_a_header_with_an_underscore_does_not_pass_for_another(serving: Service) -> None:
    answer = ask(serving, request(KEY + length(len(PHOTO)) + "Content_Length: \xb2\r\nX_Request_Id: mine\r\n", PHOTO))
    assert (answer.status, answer.json()["label"]) == (200, "landfill")
    assert answer.headers["x-request-id"] != "mine"


@pytest.mark.parametrize("size", [7, len(PHOTO)])
def test_a_photo_in_chunks_of_any_size_is_whole_and_the_connection_goes_on(serving: Service, size: int) -> None:
    chunks = b"".join(chunk(PHOTO[start : start + size]) for start in range(0, len(PHOTO), size))
    with wire(serving) as connection:
        for ending in (b"0\r\n\r\n", b"000;last=yes\r\nX-Checksum: none\r\n\r\n", b"0\r\n\r\n"):
            connection.send(request(KEY + CHUNKED, chunks + ending))
            assert connection.answer().json()["label"] == "landfill"


def test_chunks_of_a_byte_are_too_many_before_they_take_long(serving: Service) -> None:
    answer = ask(serving, request(KEY + CHUNKED, b"1\r\nx\r\n" * 400_000 + b"0\r\n\r\n"))
    is_a_problem(answer, 400)
    assert "100,000 chunks" in answer.json()["detail"]


@contextmanager
def memory_for_one_body_at_the_limit() -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 30 * MB


@pytest.mark.parametrize("key", ["", KEY], ids=["a stranger's", "a friend's"])
@pytest.mark.parametrize("kind", ["one chunk", "announced"])
def test_a_body_of_any_size_is_never_held_whole(serving: Service, kind: str, key: str) -> None:
    size = 80 * MB
    head = request(key + CHUNKED, b"%x\r\n" % size) if kind == "one chunk" else request(key + length(size))
    with memory_for_one_body_at_the_limit(), wire(serving) as connection:
        connection.send(head)
        piece = bytes(MB)
        for _ in range(size // MB):
            connection.send(piece)
        connection.send(b"\r\n0\r\n\r\n" if kind == "one chunk" else b"")
        is_a_problem(connection.answer(), 413 if key else 401)


def test_a_refused_file_is_not_held_either(serving: Service) -> None:
    with memory_for_one_body_at_the_limit(), wire(serving) as connection:
        connection.send(request(length(80 * MB), method="PUT", path="/files/uploads/x?expires=9&signature=a"))
        for _ in range(80):
            connection.send(bytes(MB))
        is_a_problem(connection.answer(), 403)


def test_a_broken_request_after_a_good_one_harms_nobody(serving: Service) -> None:
    with wire(serving) as connection:
        for _ in range(3):
            connection.send(request(KEY + length(len(PHOTO)), PHOTO))
            assert connection.answer().status == 200
        connection.send(request(KEY + CHUNKED, b"zz\r\n"))
        is_a_problem(connection.answer(), 400)
        assert connection.is_closed()
    assert serving.client.call("POST", "/classify", PHOTO).status == 200


def test_a_client_that_waits_for_a_hundred_is_told_to_go_on(serving: Service) -> None:
    with wire(serving) as connection:
        connection.send(request(KEY + length(len(PHOTO)) + "Expect: 100-continue\r\n"))
        assert connection.answer().status == 100
        connection.send(PHOTO)
        assert connection.answer().json()["label"] == "landfill"


def test_the_first_of_two_requests_is_answered_before_the_second(serving: Service) -> None:
    both = request(KEY + length(len(PHOTO)), PHOTO) + request(path="/health", method="GET")
    with wire(serving) as connection:
        connection.send(both)
        first, second = connection.answer(), connection.answer()
    assert re.match("landfill", first.json()["label"])
    assert json.loads(second.body) == {"status": "ok"}


def test_a_refused_client_that_goes_on_and_on_is_left(serving: Service) -> None:
    with wire(serving) as connection:
        connection.send(BROKEN["a length that is no number"])
        is_a_problem(connection.answer(), 400)
        with pytest.raises(OSError, match=r"reset|pipe"):
            go_on_and_on(connection)


def go_on_and_on(connection: Wire) -> None:
    while True:
        connection.send(b"more")
        time.sleep(0.05)
