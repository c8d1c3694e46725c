"""The scheduler as the server's child: it works, is started again when it dies, and ends with the server."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from chalicelib.adapters.embedded.sqlite_store import SqliteStore
from chalicelib.domain.errors import WriteConflictError
from chalicelib.domain.ports import Put
from chalicelib.services.lease import lease_key
from tests.functional.client import Client
from tests.functional.service import ADMIN_KEY
from tests.functional.test_restart import Running, service_process
from tests.functional.training_jobs import DEFINITIONS, train_command

PATIENCE_S = 300.0


@pytest.fixture
def service(tmp_path: Path, archives: dict[str, Path]) -> Iterator[Running]:
    definitions = tmp_path / "definitions"
    definitions.mkdir()
    (definitions / "waste.json").write_text(json.dumps(DEFINITIONS["waste"]))
    variables = {
        "BINSIGHT_ADMIN_KEY": ADMIN_KEY,
        "BINSIGHT_DEFINITIONS": str(definitions),
        "BINSIGHT_TRAIN_COMMAND": train_command(tmp_path, archives["classify"]),
    }
    with service_process(tmp_path / "home", **variables) as running:
        yield running


def children(parent: int) -> list[int]:
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            pid, parent_pid = int(status.parent.name), int(status.read_text().rpartition(")")[2].split()[1])
            is_scheduler = "chalicelib.scheduler" in (status.parent / "cmdline").read_text()
        except OSError:
            continue
        if parent_pid == parent and is_scheduler:
            found.append(pid)
    return found


def until(condition: object) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline_s:
        if condition():  # type: ignore[operator]
            return
        time.sleep(0.1)
    raise AssertionError("it did not come about")


def state(client: Client, model_id: str) -> str:
    return str(client.get(f"/models/{model_id}").json()["state"])


def let_the_lease_run_out(home: Path) -> None:
    """What its holder, who is dead, renewed for ten seconds more: they are over."""
    store = SqliteStore(home / "state.sqlite")
    held = store.get(lease_key("scheduler"))
    # On a busy machine it may have run out by itself, and the next one may have it.
    with suppress(WriteConflictError):
        store.write(Put(replace(held, body={**held.body, "until_s": 0.0}), expected_version=held.version))
    store.close()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="tells children by /proc")
def test_jobs_go_on_by_themselves_also_after_the_scheduler_was_killed_and_all_ends_with_the_server(
    service: Running, tmp_path: Path
) -> None:
    assert service.client.post("/models", {"job": "waste"}).status == 201
    until(lambda: state(service.client, "waste-1") == "ready")
    (first,) = children(service.process.pid)
    os.kill(first, signal.SIGKILL)
    until(lambda: first not in children(service.process.pid))
    let_the_lease_run_out(tmp_path / "home")
    assert service.client.post("/models", {"job": "waste"}).status == 201
    until(lambda: state(service.client, "waste-2") == "ready")
    (second,) = children(service.process.pid)
    assert second != first
    service.process.send_signal(signal.SIGTERM)
    assert service.process.wait(PATIENCE_S) == 0
    assert (
        not Path(f"/proc/{second}/cmdline").exists() or "scheduler" not in Path(f"/proc/{second}/cmdline").read_text()
    )
