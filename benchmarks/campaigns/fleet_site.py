"""A service of our own as a process, two small models that golden photos tell apart, and what a campaign asks."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chalicelib.adapters.embedded.sqlite_store import SqliteStore
from chalicelib.domain.device import DeviceState
from chalicelib.domain.errors import RecordNotFoundError
from chalicelib.domain.fleet_records import Shards, identity_key, state_from, state_key
from chalicelib.services.tally import Tally
from device.simulate.camera import Identity
from device.simulate.enrol import enrolled
from device.simulate.models import ModelShelf
from scripts.service_process import Client, ServiceProcess
from tests.functional.fleet_service import archive_of

FLEET = "kitchen"
THREADS = 12
# Faults are counted here, not acted upon: every promotion of the campaign is to come to its end.
LOOSE = {name: {"share": 1.0, "minimum": 1_000_000} for name in ("failed", "timed_out", "unverified", "worse")}
VARIABLES = {"BINSIGHT_STARTER": "off", "BINSIGHT_ENGINE_THREADS": "1", "BINSIGHT_RATE_PER_S": "1000000"}


@dataclass
class Site:
    home: Path
    process: ServiceProcess
    shelf: ModelShelf

    @property
    def client(self) -> Client:
        return self.process.client

    def enrol(self, cameras: int) -> list[Identity]:
        """With one code for the whole batch, as a fleet is that is switched on."""
        code = self.client.call("POST", f"/fleets/{FLEET}/codes", {"devices": cameras})["code"]
        return enrolled(self.client.url, code, None, cameras, THREADS)

    def model(self, kind: str) -> dict[str, Any]:
        upload = self.client.upload(archive_of(self.home / "models", kind), "application/gzip")
        model = self.client.call("POST", "/models", {"upload": upload})
        decision = {"override": True, "reason": "a small model of the campaign"}
        return self.client.call("POST", f"/models/{model['id']}/approve", decision)

    def deploy(self, model: dict[str, Any], **body: Any) -> str:
        return str(self.client.call("POST", "/deploy", {"model": model["id"], "fleet": FLEET, **body})["id"])

    def get(self, deployment: str) -> dict[str, Any]:
        return self.client.call("GET", f"/deploy/{deployment}")

    def ended(self, deployment: str, timeout_s: float) -> dict[str, Any]:
        """As it is at its end, or after so long."""
        until_s = time.monotonic() + timeout_s
        while time.monotonic() < until_s:
            found = self.get(deployment)
            if found["state"] not in ("pending", "proving_endpoint", "endpoint_live", "wave", "reverting"):
                return found
            time.sleep(0.5)
        return self.get(deployment)

    def named(self, deployment: str, outcome: str) -> set[str]:
        names: set[str] = set()
        cursor = ""
        while True:
            page = self.client.call("GET", f"/deploy/{deployment}/devices?outcome={outcome}&limit=200{cursor}")
            names |= {each["device"] for each in page["items"]}
            if page["next"] is None:
                return names
            cursor = f"&cursor={page['next']}"

    def tally(self) -> Tally:
        """Read beside the running service."""
        return Tally(self.store(), Shards(1))

    def store(self) -> SqliteStore:
        return SqliteStore(self.home / "state.sqlite")


def state_of(store: SqliteStore, device_id: str) -> DeviceState:
    try:
        return state_from(store.get(state_key(device_id)))
    except RecordNotFoundError:
        return DeviceState(device_id)


def is_enrolled(store: SqliteStore, device_id: str) -> bool:
    try:
        store.get(identity_key(device_id))
    except RecordNotFoundError:
        return False
    return True


@contextmanager
def site() -> Iterator[Site]:
    with tempfile.TemporaryDirectory(prefix="binsight-fleet-") as folder:
        home = Path(folder)
        here = Site(home, ServiceProcess(home, home / "service.log", VARIABLES), ModelShelf())
        try:
            yield here
        finally:
            here.process.stop()
            here.shelf.close()
