"""Clients that send a little and stop, or that never stop sending: they are ended, and nobody waits for them."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from chalicelib.adapters.embedded.timed_reader import Patience
from tests.device.models import RED, jpeg, plain
from tests.functional.conftest import Archives
from tests.functional.service import Service, promote, running, settings_of
from tests.functional.test_broken_requests import KEY, Wire, chunk, is_a_problem, length, request, wire

PHOTO = jpeg(plain(RED))
HALVES = {
    "a first line": b"POST /class",
    "headers": request(KEY)[:-4],
    "a body": request(KEY + length(len(PHOTO)), PHOTO[:100]),
    "chunks": request(KEY + "Transfer-Encoding: chunked\r\n", chunk(PHOTO)),
    "a stranger's body": request(length(10_000_000), PHOTO),
    "a body for no route": request(length(1000), PHOTO[:100], path="/nothing"),
    "a file": request(length(1000), PHOTO[:100], method="PUT", path="/files/uploads/x"),
}
# More than there are threads at the beginning, and than there may be at all.
MANY, MORE_THAN_MOST = 40, 160
LONG = Patience(head_s=60.0, body_s=60.0, least_s=0.0)


@contextmanager
def patient(home: Path, archives: Archives, patience: Patience) -> Iterator[Service]:
    with running(settings_of(home)) as service:
        promote(service.client, archives["classify"])
    with running(settings_of(home), patience=patience) as service:
        yield service


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory, archives: Archives) -> Iterator[Service]:
    short = Patience(head_s=0.3, body_s=0.3, bytes_per_s=10_000_000)
    with patient(tmp_path_factory.mktemp("hasty"), archives, short) as service:
        yield service


@pytest.mark.parametrize("half", [half for half in HALVES if half != "a file"])
def test_a_request_that_does_not_come_to_its_end_is_ended_and_told_so(hasty: Service, half: str) -> None:
    with wire(hasty) as connection:
        connection.send(HALVES[half])
        is_a_problem(connection.answer(), 408)
        assert connection.is_closed()


@pytest.mark.parametrize("half", ["headers", "a body"])
def test_a_byte_now_and_then_buys_no_time(hasty: Service, half: str) -> None:
    with wire(hasty) as connection:
        connection.send(HALVES[half])
        told = threading.Event()
        trickling = threading.Thread(target=trickle, args=(connection, told))
        trickling.start()
        try:
            is_a_problem(connection.answer(), 408)
        finally:
            told.set()
            trickling.join()


def trickle(connection: Wire, told: threading.Event) -> None:
    try:
        while not told.wait(0.02):
            connection.send(b"x")
    except OSError:
        return


def test_a_body_that_goes_on_at_its_pace_has_all_the_time_it_needs(tmp_path: Path, archives: Archives) -> None:
    pieces = [PHOTO[:100], *[PHOTO[100 + 50 * i :][:50] for i in range(8)], PHOTO[500:]]
    # Each piece buys seconds, all of them together take longer than nothing would have bought.
    own_pace = Patience(head_s=60.0, body_s=0.3, bytes_per_s=10)
    with patient(tmp_path, archives, own_pace) as service, wire(service) as connection:
        connection.send(request(KEY + length(len(PHOTO)), pieces[0]))
        for piece in pieces[1:]:
            threading.Event().wait(0.1)
            connection.send(piece)
        assert connection.answer().json()["label"] == "landfill"


@pytest.mark.parametrize("half", HALVES)
def test_many_half_sent_requests_hold_up_nobody(tmp_path: Path, archives: Archives, half: str) -> None:
    with patient(tmp_path, archives, LONG) as service, ExitStack() as open_ones:
        for _ in range(MANY):
            open_ones.enter_context(wire(service)).send(HALVES[half])
        assert service.stranger.get("/health").status == 200
        assert service.client.call("POST", "/classify", PHOTO).json()["label"] == "landfill"


def test_what_has_no_signature_is_refused_though_it_does_not_come_to_its_end(
    tmp_path: Path, archives: Archives
) -> None:
    with patient(tmp_path, archives, Patience(head_s=60.0, body_s=0.3)) as service, wire(service) as connection:
        connection.send(HALVES["a file"])
        is_a_problem(connection.answer(), 403)
        assert connection.is_closed()


def test_the_slowest_give_way_where_there_are_more_than_threads(tmp_path: Path, archives: Archives) -> None:
    with patient(tmp_path, archives, LONG) as service, ExitStack() as open_ones:
        slow = [open_ones.enter_context(wire(service)) for _ in range(MORE_THAN_MOST)]
        for connection in slow:
            connection.send(HALVES["a body"])
        assert service.client.call("POST", "/classify", PHOTO).json()["label"] == "landfill"
        is_a_problem(first_that_is_told(slow).answer(), 408)


def first_that_is_told(connections: Sequence[Wire]) -> Wire:
    """Whose request began to be read first, a busy machine decides."""
    told = select.poll()
    by_number = {each.fileno(): each for each in connections}
    for number in by_number:
        told.register(number, select.POLLIN)
    number, _ = told.poll(60_000)[0]
    return by_number[number]


def test_connections_on_which_nothing_is_said_hold_no_thread_and_the_oldest_are_closed(
    tmp_path: Path, archives: Archives, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Both ends of every connection are of this process, which may have 1,024 files.
    monkeypatch.setattr("chalicelib.adapters.embedded.http_server.IDLE_CONNECTIONS", 100)
    with patient(tmp_path, archives, LONG) as service, ExitStack() as open_ones:
        before = threading.active_count()
        silent = [
            open_ones.enter_context(socket.create_connection(("127.0.0.1", service.settings.port), timeout=60))
            for _ in range(120)
        ]
        assert service.client.call("POST", "/classify", PHOTO).json()["label"] == "landfill"
        assert threading.active_count() <= before
        assert silent[0].recv(1) == b""
        silent[-1].sendall(request(path="/health", method="GET"))
        assert silent[-1].recv(12) == b"HTTP/1.1 200"
