"""A service, two models that golden photos tell apart, and simulated cameras that check in when the test says so."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chalicelib.domain.inference import Task
from device.runtime.artifact import pack
from device.simulate.camera import Camera
from device.simulate.connection import Connection
from device.simulate.enrol import enrolled, made
from device.simulate.models import ModelShelf
from tests.device.models import model_folder
from tests.functional.service import Service, register

NAMES = {"good": ("landfill", "compost", "recycling"), "other": ("compost", "recycling", "landfill")}
# Another artifact that answers as `good` does.
NAMES["twin"] = NAMES["good"]
WAVES = [{"percent": 20}, {"percent": 60}, {"percent": 100}]


def archive_of(folder: Path, kind: str) -> Path:
    """The same network with its labels in another order: another model, and every photo shows it."""
    labels = [{"name": name, "color": None, "value": None} for name in NAMES[kind]]
    archive = folder / f"{kind}.tar.gz"
    if not archive.exists():
        pack(model_folder(folder / kind, "classify", labels=labels, training={"kind": kind}), archive)
    return archive


@dataclass
class FleetService:
    """Cameras check in when the test says so, one after the other: the same every time."""

    service: Service
    folder: Path
    cameras: list[Camera] = field(default_factory=list)
    shelf: ModelShelf = field(default_factory=ModelShelf)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.service.client.port}"

    def model(self, kind: str) -> str:
        model_id = str(register(self.service.client, archive_of(self.folder, kind))["id"])
        decision = {"override": True, "reason": "a small model of the tests"}
        assert self.service.client.post(f"/models/{model_id}/approve", decision).status == 200
        return model_id

    def enrol(self, number: int, shares: dict[str, float] | None = None, fleet: str = "kitchen") -> list[Camera]:
        key = str(self.service.client.key)
        identities = enrolled(self.url, key, fleet, number, threads=1)
        cameras = made(identities, shares or {}, self.shelf, seed=7, offline_until_s=time.time() + 3600)
        self.cameras += cameras
        return cameras

    def deploy(self, model: str, **body: Any) -> dict[str, Any]:
        answer = self.service.client.post("/deploy", {"model": model, "fleet": "kitchen", "waves": WAVES, **body})
        assert answer.status == 201, answer.body
        return dict(answer.json())

    def get(self, deployment: dict[str, Any]) -> dict[str, Any]:
        return dict(self.service.client.get(f"/deploy/{deployment['id']}").json())

    def check_in(self, cameras: Sequence[Camera] | None = None) -> None:
        api = Connection(self.url)
        for camera in self.cameras if cameras is None else cameras:
            if not camera.is_stopped:
                with suppress(ConnectionError):
                    camera.step(api)
        api.close()

    def go_on(self, deployment: dict[str, Any], rounds: int = 12, until: Sequence[str] = ()) -> dict[str, Any]:
        """Check-ins and the timer by turns, until the promotion has ended."""
        ends = until or ("succeeded", "expired", "reverted", "revert_incomplete", "superseded", "failed")
        for _ in range(rounds):
            self.check_in()
            self.service.services.tick()
            followed = self.get(deployment)
            if followed["state"] in ends:
                return followed
        return self.get(deployment)

    def promoted(self, kind: str = "good") -> str:
        """The model that the whole fleet is proved to run."""
        model = self.model(kind)
        assert self.go_on(self.deploy(model))["state"] == "succeeded"
        # Those that the gate did not wait for.
        self.check_in()
        self.check_in()
        return model

    def settled(self, kind: str) -> str:
        """As `promoted`, whatever becomes of cameras with faults."""
        loose = {name: {"share": 1.0, "minimum": 1000} for name in ("failed", "unverified", "timed_out", "worse")}
        model = self.model(kind)
        # In one wave: a small first one may hold nobody but a camera with a fault.
        ended = self.go_on(self.deploy(model, abort=loose, gate={"verified_share": 0.3}, waves=[{"percent": 100}]))
        assert ended["state"] == "succeeded", ended
        return model

    def live_model(self) -> str:
        alias = self.service.services.deployments.alias(Task.CLASSIFY)
        assert alias is not None
        return alias.primary.model_id

    def unapproved(self, kind: str) -> str:
        return str(register(self.service.client, archive_of(self.folder, kind))["id"])

    def prepare_odd_fleets(self) -> None:
        """`deserted` had one device, `counters` is for another task, `elsewhere` stands in another fleet; once."""
        client = self.service.client
        if client.get("/fleets/deserted").status == 200:
            return
        client.post("/devices", {"id": "gone", "fleet": "deserted"})
        client.call("DELETE", "/devices/gone")
        client.post("/devices", {"id": "elsewhere", "fleet": "counters"})
        client.call("PATCH", "/fleets/counters", b'{"task": "count"}')
        self.model("twin")
