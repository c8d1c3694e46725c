"""One promotion, a SIGKILL of the running service in a state of one's choice, the service again, and what became of it.

Nothing in the service helps: its store is watched from outside, by a process of its own (fleet_strike), and the signal
follows the commit that shows the state by less than a millisecond.
"""

from __future__ import annotations

import itertools
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import Any

from benchmarks.campaigns import fleet_strike
from benchmarks.campaigns.fleet_site import LOOSE, VARIABLES, Site
from chalicelib.adapters.embedded.sqlite_store import SqliteStore
from chalicelib.domain.deployment import TERMINAL, Deployment
from chalicelib.domain.endpoint_target import EndpointTarget
from chalicelib.domain.errors import RecordNotFoundError
from chalicelib.domain.fleet_records import DEPLOYMENTS, deployment_from, endpoint_target, target_key
from chalicelib.domain.inference import Task
from chalicelib.domain.ports import Index
from chalicelib.domain.records import alias_from, alias_key
from scripts.service_process import ServiceError, ServiceProcess
from tests.device.models import RED, jpeg, plain
from tests.functional.fleet_service import NAMES

ANYWHERE = "anywhere"
ENDS = {state.value for state in TERMINAL}
TIMEOUT_S = 120.0
# As long as an endpoint is kept after its promotion; what is older may be gone rightly.
REMEMBERED_S = 540.0
SHORT_S, LONG_S = 1.0, 2.0
PAUSE_S = 0.05
MANY = 1000
PHOTO = jpeg(plain(RED))


@dataclass(frozen=True)
class Killed:
    """`state`: in which it was found dead; `active`: promotions on one target when it was back; `end`: how it ended."""

    step: str
    state: str
    active: int
    end: str


@dataclass
class Killer:
    """`models`: kind to id, of which one is live and the other is promoted."""

    here: Site
    models: dict[str, str]
    draw: random.Random = field(default_factory=lambda: random.Random(1))
    wrong: list[dict[str, Any]] = field(default_factory=list)
    _both: Iterator[bool] = field(default_factory=lambda: itertools.cycle((False, True)))

    def __post_init__(self) -> None:
        self.store: SqliteStore = self.here.store()

    def kill(self, step: str) -> Killed:
        """Promote what is not live, kill at `step`, start again, and let it come to its end."""
        before = self.newest()
        steering = threading.Thread(target=self._steer, args=(step, before))
        # The timer's process dies with the service every other time.
        victims = [self.here.process.pid, *(_children(self.here.process.pid) if next(self._both) else [])]
        self._strike(step, before, victims, steering)
        self.here.process.stop()
        found = self.newest()
        state = found.state.value if found and not _is_same(found, before) else "none"
        self._again()
        return Killed(step, state, self.most_active(), self._end(before))

    def newest(self) -> Deployment | None:
        page = self.store.query(DEPLOYMENTS, index=Index.FIRST, limit=1, newest_first=True)
        return deployment_from(page.records[0]) if page.records else None

    def live(self) -> str | None:
        """The model that the task's route points to."""
        try:
            return alias_from(self.store.get(alias_key(Task.CLASSIFY))).primary.model_id
        except RecordNotFoundError:
            return None

    def most_active(self) -> int:
        """Of all targets, the most promotions that are under way on one."""
        counted: Counter[str] = Counter()
        for each in self._deployments():
            if not each.is_terminal:
                counted.update(["endpoint"] if each.plan.endpoint else [])
                counted.update([each.plan.fleet.fleet] if each.plan.fleet else [])
        return max(counted.values(), default=0)

    def orphans(self) -> set[str]:
        """Endpoints of promotions that have ended, which nobody needs and nobody is going to remove."""
        deployments = self._deployments()
        known = {endpoint for each in deployments for endpoint in each.leftovers}
        known |= {each.endpoint for each in deployments if not each.is_terminal}
        with suppress(RecordNotFoundError):
            known |= alias_from(self.store.get(alias_key(Task.CLASSIFY))).endpoints()
        with suppress(RecordNotFoundError):
            record = self.store.get(target_key(endpoint_target(Task.CLASSIFY)))
            baseline = EndpointTarget.from_body(record.body, record.version).baseline
            known |= {baseline.endpoint} if baseline else set()
        young = time.time() - REMEMBERED_S
        went_live = [
            each for each in deployments if each.plan.endpoint and each.state.value not in ("failed", "expired")
        ]
        return {each.endpoint for each in went_live if each.created_at_s > young} - known

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Photos are classified all the time; an answer whose label is not its own model's is kept in `wrong`."""
        done = threading.Event()
        asker = threading.Thread(target=self._ask_until, args=(done,))
        asker.start()
        try:
            yield
        finally:
            done.set()
            asker.join()

    def _deployments(self) -> list[Deployment]:
        page = self.store.query(DEPLOYMENTS, index=Index.FIRST, limit=MANY, newest_first=True)
        return [deployment_from(record) for record in page.records]

    def _ask_until(self, done: threading.Event) -> None:
        kinds = {model: kind for kind, model in self.models.items()}
        while not done.wait(PAUSE_S):
            with suppress(ServiceError, OSError, HTTPException):
                answer = self.here.client.ask("classify", PHOTO)
                if answer["label"] != NAMES[kinds[answer["model"]["id"]]][0]:
                    self.wrong.append(answer)

    def _steer(self, step: str, before: Deployment | None) -> None:
        """What an admin asks for until the service dies."""
        live = self.live()
        model = next(id_ for id_ in self.models.values() if id_ != live)
        endpoint: dict[str, Any] = {"soak_s": SHORT_S}
        if step == "canary":
            endpoint["canary"] = {"share": 0.5, "duration_s": LONG_S, "minimum": 1, "max_rise": 1.0}
        waves = [{"percent": 30, "soak_s": SHORT_S}, {"percent": 100, "soak_s": LONG_S}]
        with suppress(ServiceError, OSError, HTTPException):
            deployment = self.here.deploy({"id": model}, waves=waves, abort=LOOSE, endpoint=endpoint)
            if step in ("paused", "reverting"):
                self._wait_for("wave", before)
                verb = "pause" if step == "paused" else "abort"
                self.here.client.call("POST", f"/deploy/{deployment}/{verb}", {} if step == "reverting" else None)

    def _strike(self, step: str, before: Deployment | None, victims: list[int], steering: threading.Thread) -> None:
        if step == ANYWHERE:
            steering.start()
            time.sleep(self.draw.uniform(0.0, 6.0))
            for victim in victims:
                os.kill(victim, signal.SIGKILL)
        else:
            watched = (str(self.here.home / "state.sqlite"), step, before.id if before else "-")
            command = [sys.executable, "-m", fleet_strike.__name__, *watched, *map(str, victims)]
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as striker:
                assert striker.stdout is not None
                striker.stdout.readline()
                steering.start()
            if striker.returncode:
                raise TimeoutError(f"no promotion came to '{step}'")
        steering.join()

    def _wait_for(self, state: str, before: Deployment | None) -> None:
        """Or until it has passed it and has ended, as on a busy machine: nothing is left to ask for then."""
        until_s = time.monotonic() + TIMEOUT_S
        while time.monotonic() < until_s:
            found = self.newest()
            if found and not _is_same(found, before) and found.state.value in (state, *ENDS):
                return
        raise TimeoutError(f"no promotion came to '{state}'")

    def _again(self) -> None:
        """The same service on the same home and port; the port may still be held for a moment."""
        os.environ["BINSIGHT_PORT"] = str(self.here.process.port)
        until_s = time.monotonic() + TIMEOUT_S
        try:
            while True:
                try:
                    self.here.process = ServiceProcess(self.here.home, Path(self.here.home / "service.log"), VARIABLES)
                    return
                except ServiceError:
                    if time.monotonic() > until_s:
                        raise
        finally:
            del os.environ["BINSIGHT_PORT"]

    def _end(self, before: Deployment | None) -> str:
        """Let go on if it is paused, and followed until it has ended."""
        until_s = time.monotonic() + TIMEOUT_S
        while True:
            found = self.newest()
            if found is None or _is_same(found, before):
                return "none"
            if found.state.value in ENDS or time.monotonic() > until_s:
                return found.state.value
            if found.state.value == "paused":
                self.here.client.call("POST", f"/deploy/{found.id}/resume")
            time.sleep(PAUSE_S)


def _is_same(found: Deployment, before: Deployment | None) -> bool:
    return before is not None and found.id == before.id


def _children(pid: int) -> list[int]:
    """The service's timer."""
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in listed]
