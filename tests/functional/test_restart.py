"""The service as a process of its own: started, stopped, killed, and started again on the same home."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from chalicelib.bootstrap import embedded_services
from chalicelib.server import EmbeddedServer
from tests.device.models import GREEN, RED, jpeg, plain
from tests.functional.client import Client
from tests.functional.service import ADMIN_KEY, close_store, free_port, promote, settings_of

ROOT = Path(__file__).parents[2]
START_S = 180
STOP_S = 60
PHOTO = jpeg(plain(RED))


@dataclass(frozen=True)
class Running:
    process: subprocess.Popen[str]
    client: Client
    log: Path

    def written(self) -> str:
        return self.log.read_text()


@contextmanager
def service_process(home: Path, **variables: str) -> Iterator[Running]:
    port = free_port()
    log = home.parent / f"log-{port}.txt"
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("BINSIGHT_")}
    own = {"BINSIGHT_HOME": str(home), "BINSIGHT_PORT": str(port), "BINSIGHT_STARTER": "off", **variables}
    with log.open("w") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "chalicelib.server"],
            cwd=ROOT,
            env={**inherited, **own},
            stdout=stream,
            stderr=subprocess.STDOUT,
            text=True,
        )
    try:
        running = Running(process, Client(port, variables.get("BINSIGHT_ADMIN_KEY")), log)
        _wait_until_up(running)
        yield running
    finally:
        process.kill()
        process.wait()


def _wait_until_up(running: Running) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        assert running.process.poll() is None, running.written()
        try:
            running.client.get("/health")
        except OSError:
            time.sleep(0.05)
        else:
            if "Try: " in running.written():
                return
            # It answers a moment before it has said where.
            time.sleep(0.01)
    raise AssertionError(f"the service did not start: {running.written()}")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def test_a_home_that_was_killed_at_work_comes_back_with_keys_models_and_alias(
    home: Path, archives: dict[str, Path]
) -> None:
    with service_process(home, BINSIGHT_ADMIN_KEY=ADMIN_KEY) as first:
        promote(first.client, archives["classify"])
        key = first.client.post("/keys", {"name": "phone", "scopes": ["inference"]}).json()["key"]
        before = first.client.call("POST", "/classify", PHOTO).json()
        first.process.send_signal(signal.SIGKILL)
        first.process.wait()
    with service_process(home) as second:
        phone = second.client.with_key(key)
        after = phone.call("POST", "/classify", PHOTO).json()
        assert (after["model"], after["probabilities"]) == (before["model"], before["probabilities"])
        assert phone.get("/models").json()["items"][0]["state"] == "approved"
        assert second.client.with_key(ADMIN_KEY).get("/keys").problem == "invalid-key"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "Ctrl-C"])
def test_a_request_under_way_is_answered_before_the_service_ends(
    home: Path, archives: dict[str, Path], number: signal.Signals
) -> None:
    with service_process(home, BINSIGHT_ADMIN_KEY=ADMIN_KEY) as running:
        promote(running.client, archives["classify"])
        with socket.create_connection(("127.0.0.1", running.client.port), timeout=60) as connection:
            stream = connection.makefile("rb")
            connection.sendall(request_of(PHOTO, "Expect: 100-continue") + PHOTO[:100])
            # It has begun to read the body.
            assert stream.readline() == b"HTTP/1.1 100 Continue\r\n"
            running.process.send_signal(number)
            _wait_until_it_refuses(running)
            connection.sendall(PHOTO[100:])
            answer = stream.read()
        assert b"HTTP/1.1 200" in answer, running.written()
        assert b'"label":"landfill"' in answer
        assert running.process.wait(STOP_S) == 0


def test_requests_that_were_sent_before_are_answered_before_the_service_ends(
    home: Path, archives: dict[str, Path]
) -> None:
    with service_process(home, BINSIGHT_ADMIN_KEY=ADMIN_KEY) as running:
        promote(running.client, archives["classify"])
        # Nobody takes the connections that the kernel makes meanwhile.
        running.process.send_signal(signal.SIGSTOP)
        connections = [socket.create_connection(("127.0.0.1", running.client.port), timeout=60) for _ in range(12)]
        for connection in connections:
            connection.sendall(request_of(PHOTO, "Connection: close") + PHOTO)
        running.process.send_signal(signal.SIGTERM)
        running.process.send_signal(signal.SIGCONT)
        answers = [connection.makefile("rb").read() for connection in connections]
        assert [answer[:12] for answer in answers] == [b"HTTP/1.1 200"] * len(connections), running.written()
        assert running.process.wait(STOP_S) == 0
        for connection in connections:
            connection.close()


@pytest.mark.parametrize("requests", [1, 40])
def test_requests_that_were_sent_before_the_service_ends_are_answered_though_it_had_not_taken_them(
    home: Path, monkeypatch: pytest.MonkeyPatch, requests: int
) -> None:
    settings = settings_of(home)
    services = embedded_services(settings)
    server = EmbeddedServer(settings, services)
    server._http.prepare()
    accept = server._http._connections._from_server_socket

    def descheduled(listener: socket.socket) -> Any:
        """As on a busy machine: between a connection that was taken and the next look at it, others go on."""
        made = accept(listener)
        time.sleep(0.03)
        return made

    monkeypatch.setattr(server._http._connections, "_from_server_socket", descheduled)
    waiting = [socket.create_connection(("127.0.0.1", server.port), timeout=60) for _ in range(requests)]
    for connection in waiting:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
    server._thread.start()
    server.stop()
    close_store(services)
    for connection in waiting:
        with connection:
            assert connection.recv(12) == b"HTTP/1.1 200"


def test_an_idle_connection_and_a_stalled_one_do_not_keep_the_service_from_ending(home: Path) -> None:
    with service_process(home, BINSIGHT_ADMIN_KEY=ADMIN_KEY) as running:
        idle = running.client.connect()
        running.client.call("GET", "/health", connection=idle)
        with socket.create_connection(("127.0.0.1", running.client.port)) as stalled:
            stalled.sendall(b"POST /classify HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
            time.sleep(0.3)
            running.process.send_signal(signal.SIGTERM)
            assert running.process.wait(STOP_S) == 0, running.written()
        idle.close()


def test_a_new_home_prints_its_first_key_once_and_says_what_to_paste(home: Path) -> None:
    with service_process(home) as first:
        assert first.written().count("bsk_") == 2
        key = next(word for word in first.written().split() if word.startswith("bsk_"))
        assert first.client.with_key(key).get("/keys").status == 200
        assert f'curl -H "Authorization: Bearer {key}" --data-binary @photo.jpg http://127.0.0.1:' in first.written()
    with service_process(home) as second:
        assert "bsk_" not in second.written()
        assert second.client.with_key(key).get("/keys").status == 200


def test_the_environments_admin_key_is_accepted_also_on_a_home_that_has_keys(home: Path) -> None:
    with service_process(home) as first:
        assert first.client.with_key(ADMIN_KEY).get("/keys").status == 401
    with service_process(home, BINSIGHT_ADMIN_KEY=ADMIN_KEY) as second:
        assert "bsk_" not in second.written()
        assert len(second.client.get("/keys").json()["items"]) == 1
    with service_process(home) as third:
        assert third.client.with_key(ADMIN_KEY).get("/keys").status == 401


def test_an_admin_who_lost_the_key_gets_another_while_the_service_runs(home: Path) -> None:
    with service_process(home) as running:
        environment = {**os.environ, "BINSIGHT_HOME": str(home), "BINSIGHT_STARTER": "off"}
        command = [sys.executable, "-m", "chalicelib.admin_key"]
        made = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
        assert running.client.with_key(made.stdout.strip()).get("/keys").status == 200


def test_neither_keys_nor_photos_are_logged_and_every_line_has_its_request(home: Path) -> None:
    with service_process(home, BINSIGHT_ADMIN_KEY=ADMIN_KEY) as running:
        key = running.client.post("/keys", {"name": "phone", "scopes": ["inference"]}).json()["key"]
        client = running.client.with_key(key)
        refused = [client.call("POST", "/classify", PHOTO), client.get("/models/none"), client.get("/keys")]
        client.with_key(f"{key}0").get("/models")
        written = running.written()
        assert all(each.headers["x-request-id"] in written for each in refused)
        for secret in (key, key.split("_")[2], ADMIN_KEY, "JFIF", hashlib.sha256(key.encode()).hexdigest()):
            assert secret not in written


def test_a_port_that_is_taken_is_said_in_one_line(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = _start_and_wait(home, BINSIGHT_PORT=port)
    assert ended.returncode == 1
    assert "cannot start" in ended.stderr
    assert port in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(("name", "value"), [("BINSIGHT_PORT", "http"), ("BINSIGHT_RATE_PER_S", "-1")])
def test_a_setting_that_does_not_fit_is_named(home: Path, name: str, value: str) -> None:
    ended = _start_and_wait(home, **{name: value})
    assert ended.returncode == 1
    assert name in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_home_that_is_no_folder_is_said_in_one_line(home: Path) -> None:
    home.write_text("a file")
    ended = _start_and_wait(home)
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr


def test_a_starter_model_answers_at_once_and_stays_replaced(home: Path, archives: dict[str, Path]) -> None:
    starter = str(archives["classify"])
    with service_process(home, BINSIGHT_ADMIN_KEY=ADMIN_KEY, BINSIGHT_STARTER=starter) as first:
        answer = first.client.call("POST", "/classify", jpeg(plain(GREEN))).json()
        assert (answer["label"], answer["model"]["id"]) == ("compost", "waste-1")
        assert promote(first.client, archives["classify"]) == "waste-2"
    with service_process(home, BINSIGHT_ADMIN_KEY=ADMIN_KEY, BINSIGHT_STARTER=starter) as second:
        assert second.client.call("POST", "/classify", PHOTO).json()["model"]["id"] == "waste-2"


def request_of(photo: bytes, header: str) -> bytes:
    lines = ("POST /classify HTTP/1.1", "Host: x", f"Authorization: Bearer {ADMIN_KEY}", header)
    return "\r\n".join((*lines, f"Content-Length: {len(photo)}", "", "")).encode()


def _wait_until_it_refuses(running: Running) -> None:
    deadline = time.monotonic() + STOP_S
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", running.client.port)).close()
        except ConnectionRefusedError:
            return
        time.sleep(0.02)
    raise AssertionError(f"the service still takes connections: {running.written()}")


def _start_and_wait(home: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "BINSIGHT_HOME": str(home), "BINSIGHT_STARTER": "off", **variables}
    command = [sys.executable, "-m", "chalicelib.server"]
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=START_S, check=False
    )
