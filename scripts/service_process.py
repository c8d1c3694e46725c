"""The embedded service as a process of our own, and the few calls a program makes to it. Standard library only."""

import hashlib
import json
import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

START_TIMEOUT_S = 120.0
CALL_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 15.0
THIS_MACHINE = ("127.0.0.1", "::1", "localhost")


class ServiceError(RuntimeError):
    """The service did not start, or refused what a program asked of it."""


class Client:
    """Speaks to one service with one key."""

    def __init__(self, url: str, key: str) -> None:
        self.url = url
        self.key = key

    def call(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        """JSON in, JSON out. Raises: ServiceError with the problem's own words."""
        data = None if body is None else json.dumps(body).encode()
        return self._send(method, self.url + path, data, {"Content-Type": "application/json"})

    def ask(self, route: str, photo: bytes) -> dict[str, Any]:
        """The answer to one photo. Raises: ServiceError."""
        return self._send("POST", f"{self.url}/{route}", photo, {"Content-Type": "application/octet-stream"})

    def upload(self, file: Path, content_type: str) -> str:
        """Announce a file, send it, answer the upload's id. Raises: ServiceError."""
        data = file.read_bytes()
        terms = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest(), "content_type": content_type}
        upload = self.call("POST", "/uploads", terms)
        request = urllib.request.Request(upload["url"], data=data, method="PUT", headers=upload["headers"])
        _open(request)
        return str(upload["id"])

    def _send(self, method: str, url: str, data: bytes | None, headers: dict[str, str]) -> dict[str, Any]:
        headers = {**headers, "Authorization": f"Bearer {self.key}"}
        answer = _open(urllib.request.Request(url, data=data, method=method, headers=headers))
        return json.loads(answer) if answer else {}


class ServiceProcess:
    """A service on a free port of this machine, ended together with the program that started it."""

    def __init__(self, home: Path, log: Path, extra_environment: dict[str, str] | None = None) -> None:
        """Raises: ServiceError when it does not answer within two minutes."""
        self.port = int(os.environ.get("BINSIGHT_PORT") or free_port())
        self.client = Client(f"http://127.0.0.1:{self.port}", secrets.token_hex(24))
        self._log = log
        environment = {
            **os.environ,
            "BINSIGHT_HOME": str(home),
            "BINSIGHT_PORT": str(self.port),
            "BINSIGHT_ADMIN_KEY": self.client.key,
            **(extra_environment or {}),
        }
        with log.open("w") as stream:
            command = [sys.executable, "-m", "chalicelib.server"]
            self._process = subprocess.Popen(command, env=environment, stdout=stream, stderr=stream)
        self._wait_until_it_answers()

    @property
    def pid(self) -> int:
        return self._process.pid

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def _wait_until_it_answers(self) -> None:
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline_s:
            if self._process.poll() is not None:
                raise ServiceError(f"the service ended at its start: {self._last_words()}")
            try:
                self.client.call("GET", "/health")
            except (ServiceError, OSError):
                time.sleep(0.1)
            else:
                return
        self.stop()
        raise ServiceError(f"the service does not answer after {START_TIMEOUT_S:.0f} s: {self._last_words()}")

    def _last_words(self) -> str:
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def opened(request: urllib.request.Request, timeout_s: float) -> IO[bytes]:
    """What answers. A proxy of the environment would look for this machine's services on its own. Raises: URLError."""
    is_here = urlsplit(request.full_url).hostname in THIS_MACHINE
    ask = urllib.request.build_opener(urllib.request.ProxyHandler({})).open if is_here else urllib.request.urlopen
    answer: IO[bytes] = ask(request, timeout=timeout_s)
    return answer


def _open(request: urllib.request.Request) -> bytes:
    try:
        with opened(request, CALL_TIMEOUT_S) as response:
            body: bytes = response.read()
            return body
    except urllib.error.HTTPError as error:
        raise ServiceError(_words(error)) from error
    except urllib.error.URLError as error:
        raise ServiceError(f"{request.full_url} does not answer: {error.reason}") from error


def _words(error: urllib.error.HTTPError) -> str:
    try:
        problem = json.loads(error.read())
        return f"{problem['title']}: {problem['detail']}"
    except (ValueError, KeyError):
        return f"HTTP {error.code}"
