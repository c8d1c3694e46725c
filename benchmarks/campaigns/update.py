"""The real agent, killed with SIGKILL at random moments of real updates: does it always start with a whole model?

    python -m benchmarks.campaigns.update --out build/update.json [--kills 200] [--longest-s 3600]

A service as a process of its own promotes one model after the other to a fleet of one; `python -m device agent.json`
fetches, tests, activates and proves them, and is killed somewhere on the way. Then it is started again, and must say
which model it begins with; that slot is checked file by file.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.campaigns.fleet_site import LOOSE, VARIABLES
from device.config import example
from device.durable import read_json
from device.model_store import ModelStore
from device.runtime.artifact import ArtifactError, describe_files, digest_of, pack, verify
from device.runtime.manifest import ManifestError
from scripts.service_process import ServiceError, ServiceProcess
from tests.device.models import RED, model_folder, plain, png

DEVICE, FLEET = "kitchen-1", "kitchen"
LABELS = (
    ("landfill", "compost", "recycling"),
    ("compost", "recycling", "landfill"),
    ("recycling", "landfill", "compost"),
)
# So that fetching and unpacking take their time, as with a real network's weights.
BALLAST_BYTES = 12 * 1024 * 1024
BOOT = re.compile(r"boot [0-9a-f]{32}; model ([0-9a-f]{12}|none yet)")
TRIES = 20
LONGEST_START_S, LONGEST_UPDATE_S = 300.0, 900.0


def archive_in(folder: Path, number: int) -> Path:
    """The same network with its labels in another order: another model, and every golden photo shows it."""
    labels = [{"name": name, "color": None, "value": None} for name in LABELS[number]]
    slot = model_folder(folder / f"model-{number}", labels=labels)
    (slot / "ballast.bin").write_bytes(random.Random(number).randbytes(BALLAST_BYTES))
    document = json.loads((slot / "manifest.json").read_text())
    (slot / "manifest.json").write_text(json.dumps({**document, "files": describe_files(slot)}))
    archive = folder / f"model-{number}.tar.gz"
    pack(slot, archive)
    return archive


@dataclass
class Agent:
    """One start of `python -m device agent.json`; what it says goes to its log."""

    folder: Path
    started_s: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.log = self.folder / "agent.log"
        command = [sys.executable, "-m", "device", str(self.folder / "agent.json")]
        with self.log.open("wb") as stream:
            self._process = subprocess.Popen(command, stdout=stream, stderr=stream)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def stop(self) -> int:
        self._process.terminate()
        return self._process.wait(LONGEST_START_S)

    def began_with(self) -> str | None:
        """The model that it says it begins with; None when it does not come so far."""
        while self._process.poll() is None and time.monotonic() - self.started_s < LONGEST_START_S:
            found = BOOT.search(self.log.read_text(errors="replace"))
            if found:
                return found.group(1)
            time.sleep(0.02)
        return None


@dataclass
class Site:
    folder: Path
    service: ServiceProcess
    models: list[str]
    digests: set[str]
    turn: Iterator[int] = field(default_factory=itertools.count)

    @property
    def store(self) -> ModelStore:
        return ModelStore(self.folder / "camera" / "home" / "models", keep_free_bytes=0)

    def agent(self) -> Agent:
        return Agent(self.folder / "camera")

    def promote_next(self) -> str:
        model = self.models[next(self.turn) % len(self.models)]
        plan = {"model": model, "fleet": FLEET, "waves": [{"percent": 100, "soak_s": 0}], "abort": LOOSE}
        for _ in range(TRIES):
            # The service's own timer may have moved the promotion that this one supersedes: 409, ask again.
            with suppress(ServiceError):
                self.service.client.call("POST", "/deploy", plan)
                return model
            time.sleep(0.2)
        raise ServiceError(f"{model} cannot be promoted in {TRIES} tries")

    def is_proved_on(self, model: str) -> bool:
        device = self.service.client.call("GET", f"/devices/{DEVICE}")
        return bool(device["target"]["model"] == model and device["state"] and device["state"]["verified"])

    def has_anything_to_do(self) -> bool:
        """Not: it runs what it should, or has given that up."""
        device = self.service.client.call("GET", f"/devices/{DEVICE}")
        state = device["state"] or {}
        return not (state.get("verified") or state.get("failure"))

    def killed_during(self) -> str:
        """By what lies on the camera's disk."""
        folder = self.folder / "camera" / "home" / "models"
        pointer = read_json(folder / "active.json")
        if any(path.suffix == ".part" for path in (folder / "downloads").glob("*")):
            return "download"
        if any(path.name.startswith(".") for path in (folder / "slots").glob("*")):
            return "unpacking or removing"
        if pointer.get("trial"):
            return "self-test"
        return "proof" if pointer.get("provisional") else "start, or at rest"


def made(folder: Path) -> Site:
    """A service with three approved models, and one camera, whose factory model is the first of them."""
    camera = folder / "camera"
    (camera / "photos").mkdir(parents=True)
    (camera / "photos" / "a.png").write_bytes(png(plain(RED)))
    service = ServiceProcess(folder / "service", folder / "service.log", VARIABLES)
    archives = [archive_in(folder, number) for number in range(len(LABELS))]
    models = []
    for archive in archives:
        uploaded = service.client.upload(archive, "application/gzip")
        model = service.client.call("POST", "/models", {"upload": uploaded})["id"]
        service.client.call("POST", f"/models/{model}/approve", {"override": True, "reason": "the campaign's"})
        models.append(str(model))
    key = service.client.call("POST", "/devices", {"id": DEVICE, "fleet": FLEET})["key"]
    (camera / "device.key").write_text(str(key))
    changes = {
        "camera": {"kind": "folder", "path": "photos", "fps": 10},
        "display": None,
        "threads": 1,
        "keep_free_mb": 0,
    }
    (camera / "agent.json").write_text(json.dumps({**example(service.client.url, DEVICE), **changes}))
    site = Site(folder, service, models, {digest_of(archive) for archive in archives})
    site.store.install_factory(archives[0])
    return site


def unharmed(site: Site) -> float:
    """Seconds from the agent's start until the service has verified the next model."""
    model = site.promote_next()
    agent = site.agent()
    until_s = agent.started_s + LONGEST_UPDATE_S
    try:
        while not site.is_proved_on(model):
            if time.monotonic() > until_s:
                raise ServiceError(f"the update did not end in {LONGEST_UPDATE_S:.0f} s: {agent.log.read_text()}")
            time.sleep(0.05)
        return time.monotonic() - agent.started_s
    finally:
        agent.stop()


def starts_whole(site: Site) -> bool:
    agent = site.agent()
    model = agent.began_with()
    agent.kill()
    found = [digest for digest in site.digests if model and digest.startswith(model)]
    try:
        return bool(found) and verify(site.store.slot(found[0])) is not None
    except (ArtifactError, ManifestError, OSError) as error:
        print(f"{error}\n{agent.log.read_text()}", file=sys.stderr)
        return False


def measure(folder: Path, kills: int, longest_s: float, draw: random.Random) -> dict[str, Any]:
    site = made(folder)
    try:
        usual_s = max(unharmed(site) for _ in range(3))
        during, not_whole, began_s = Counter[str](), 0, time.monotonic()
        while sum(during.values()) < kills and time.monotonic() - began_s < longest_s:
            if not site.has_anything_to_do():
                site.promote_next()
            agent = site.agent()
            time.sleep(draw.uniform(0, usual_s))
            agent.kill()
            during[site.killed_during()] += 1
            not_whole += not starts_whole(site)
            done = sum(during.values())
            print(
                f"{done} of {kills} kills in {time.monotonic() - began_s:.0f} s, {not_whole} not whole", file=sys.stderr
            )
        took_s = time.monotonic() - began_s
        unharmed(site)
        slots = len(site.store.sizes())
    finally:
        site.service.stop()
    return {
        "kills": sum(during.values()),
        "not_whole": not_whole,
        "killed_during": dict(during),
        "slots_at_the_end": slots,
        "an_update_takes_s": round(usual_s, 2),
        "seconds": round(took_s, 1),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--longest-s", type=float, default=3600.0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    with tempfile.TemporaryDirectory(prefix="binsight-update-") as name:
        figures = measure(Path(name), options.kills, options.longest_s, random.Random(options.seed))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(figures, indent=2) + "\n")
    print(json.dumps(figures, indent=2))
    return 1 if figures["not_whole"] else 0


if __name__ == "__main__":
    sys.exit(main())
