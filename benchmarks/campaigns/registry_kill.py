"""`kill -9` of the embedded service in the middle of its writes, and a look at what is left."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chalicelib.adapters.embedded.job_folder import JobFolder
from chalicelib.config import CHECKOUT

WRITES = 1000
WRITERS = 8
ROUNDS = 3
ADMIN_KEY = "an-admin-key-of-the-campaign"
START_S, SETTLE_S = 180.0, 180.0
# Long enough to be found running after the restart; it leaves no model, so that its end is a known one.
PROGRAM = "import sys, time; print('epoch 1', flush=True); time.sleep(12); sys.exit('the campaign needs no model')"


@dataclass(frozen=True)
class Service:
    process: subprocess.Popen[bytes]
    port: int
    home: Path

    def call(self, method: str, path: str, document: Any = None) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        headers = {"Authorization": f"Bearer {ADMIN_KEY}", "Content-Type": "application/json"}
        try:
            connection.request(method, path, json.dumps(document) if document is not None else None, headers)
            response = connection.getresponse()
            return response.status, json.loads(response.read() or b"null")
        finally:
            connection.close()

    def every(self, path: str) -> list[dict[str, Any]]:
        found, cursor = [], ""
        while True:
            _, page = self.call("GET", f"{path}?limit=200{cursor}")
            found += page["items"]
            if page["next"] is None:
                return found
            cursor = f"&cursor={page['next']}"

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@contextmanager
def service(home: Path) -> Iterator[Service]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = int(probe.getsockname()[1])
    definitions = home.parent / "definitions"
    definitions.mkdir(exist_ok=True)
    (definitions / "slow.json").write_text(json.dumps({"task": "classify"}))
    (definitions / "slow.py").write_text(PROGRAM)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("BINSIGHT_")}
    own = {
        "BINSIGHT_HOME": str(home),
        "BINSIGHT_PORT": str(port),
        "BINSIGHT_STARTER": "off",
        "BINSIGHT_ADMIN_KEY": ADMIN_KEY,
        "BINSIGHT_DEFINITIONS": str(definitions),
        "BINSIGHT_TRAIN_COMMAND": f"{sys.executable} {definitions / 'slow.py'}",
    }
    command = [sys.executable, "-m", "chalicelib.server"]
    with (home.parent / "service.log").open("ab") as log:
        process = subprocess.Popen(command, cwd=CHECKOUT, env={**inherited, **own}, stdout=log, stderr=log)
    try:
        running = Service(process, port, home)
        _wait(running)
        yield running
    finally:
        process.terminate()
        process.wait()


def measure_kills(folder: Path) -> dict[str, Any]:
    home = folder / "killed" / "home"
    home.parent.mkdir(parents=True)
    acknowledged: set[str] = set()
    for _ in range(ROUNDS):
        with service(home) as running:
            acknowledged |= write_and_kill(running)
    with service(home) as after:
        figures = {"rounds": ROUNDS, "writes_a_round": WRITES, **look_at(after, acknowledged)}
    return {**figures, **jobs_survive(home)}


def write_and_kill(running: Service) -> set[str]:
    """Of 1,000 writes, those that were acknowledged before the kill in their middle."""
    acknowledged: set[str] = set()
    half = threading.Event()

    def write(number: int) -> None:
        with suppress(OSError, http.client.HTTPException, ValueError):
            status, body = running.call("POST", "/keys", {"name": f"key {number}", "scopes": ["inference"]})
            if status == 201:
                acknowledged.add(body["id"])
        if len(acknowledged) >= WRITES // 2:
            half.set()

    with ThreadPoolExecutor(WRITERS) as pool:
        for number in range(WRITES):
            pool.submit(write, number)
        half.wait(120)
        running.kill()
    return acknowledged


def look_at(after: Service, acknowledged: set[str]) -> dict[str, Any]:
    """A key and its ledger entry are one write: each must be there with the other or not at all."""
    stored = {key["id"] for key in after.every("/keys")}
    told = {entry["subject"] for entry in after.every("/ledger") if entry["action"] == "key.created"}
    return {
        "acknowledged": len(acknowledged),
        "acknowledged_and_lost": len(acknowledged - stored),
        "half_written": len(stored ^ told),
        "ledger_whole": after.call("GET", "/ledger/verify")[1]["whole"],
    }


def jobs_survive(home: Path) -> dict[str, Any]:
    """One job outlives the kill of the service and is found again; the other is killed with it."""
    with service(home) as running:
        first, second = begun(running), begun(running)
        wait_until_runs(running, first)
        outlives = job_folder(running, first)
        running.kill()
        outlived = outlives.status()["state"] == "running"
    with service(home) as again:
        wait_until_runs(again, second)
        ended_by_itself = wait_for_end(again, first)["reason"]
        again.kill()
        _kill_job(again)
    with service(home) as last:
        failed = wait_for_end(last, second)
    return {
        "job_found_again": outlived and "the campaign needs no model" in ended_by_itself,
        "killed_job_state": failed["state"],
        "killed_job_reason": failed["reason"],
    }


def begun(running: Service) -> str:
    status, model = running.call("POST", "/models", {"job": "slow"})
    assert status == 201, model
    running_id: str = model["id"]
    return running_id


def job_folder(running: Service, model_id: str) -> JobFolder:
    return JobFolder(running.home / "jobs" / running.call("GET", f"/models/{model_id}")[1]["training_job"])


def wait_until_runs(running: Service, model_id: str) -> None:
    job, deadline_s = job_folder(running, model_id), time.monotonic() + SETTLE_S
    while not (job.log.exists() and job.log.stat().st_size):
        assert time.monotonic() < deadline_s, f"{model_id} never ran"
        time.sleep(0.1)


def wait_for_end(running: Service, model_id: str) -> dict[str, Any]:
    deadline_s = time.monotonic() + SETTLE_S
    while time.monotonic() < deadline_s:
        model: dict[str, Any] = running.call("GET", f"/models/{model_id}")[1]
        if model["state"] != "training":
            return model
        time.sleep(0.2)
    raise AssertionError(f"{model_id} never ended")


def _kill_job(running: Service) -> None:
    (job,) = (path for path in (running.home / "jobs").iterdir() if (path / "status.json").exists() and _runs(path))
    os.killpg(JobFolder(job).status()["pid"], signal.SIGKILL)


def _runs(path: Path) -> bool:
    return bool(JobFolder(path).status()["state"] == "running")


def _wait(running: Service) -> None:
    deadline_s = time.monotonic() + START_S
    while time.monotonic() < deadline_s:
        with suppress(OSError):
            running.call("GET", "/health")
            return
        time.sleep(0.05)
    raise AssertionError("the service did not start")
