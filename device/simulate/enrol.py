"""Simulated cameras enrol as real ones do: each with the fleet's code, or by an admin."""

from __future__ import annotations

import random
import threading
import uuid
from typing import Dict, List, Mapping, Optional

from device.simulate.camera import Camera, Identity
from device.simulate.connection import Connection
from device.simulate.faults import dealt
from device.simulate.models import ModelShelf

TRIES = 3


class EnrolmentError(RuntimeError):
    """The service refused a camera."""


def enrolled(url: str, key: str, fleet: Optional[str], cameras: int, threads: int = 8) -> List[Identity]:
    """`key`: an enrolment code, or an admin's key together with `fleet`. Raises: EnrolmentError, OSError."""
    found: Dict[int, Identity] = {}
    failures: List[BaseException] = []

    def work(first: int) -> None:
        api = Connection(url)
        try:
            for number in range(first, cameras, threads):
                found[number] = _enrol(api, key, fleet, number)
        except (EnrolmentError, OSError) as error:
            failures.append(error)
        finally:
            api.close()

    workers = [threading.Thread(target=work, args=(first,)) for first in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if failures:
        raise failures[0]
    return [found[number] for number in range(cameras)]


def made(
    identities: List[Identity],
    shares: Mapping[str, float],
    shelf: ModelShelf,
    seed: int = 0,
    offline_until_s: float = 0.0,
) -> List[Camera]:
    """A camera for each identity; `seed` decides who has which fault."""
    draw = random.Random(seed)
    faults = dealt(len(identities), shares, draw)
    cameras = []
    for identity, fault in zip(identities, faults):
        camera = Camera(identity, fault, shelf, random.Random(draw.getrandbits(64)))
        camera.offline_until_s = offline_until_s
        cameras.append(camera)
    return cameras


def _enrol(api: Connection, key: str, fleet: Optional[str], number: int) -> Identity:
    body = {"site": "simulated", "hardware": "camera %d" % number, "engine": "onnxruntime"}
    if fleet is not None:
        body["fleet"] = fleet
    for _ in range(TRIES):
        # A connection that breaks is tried again: with this, the camera is not enrolled twice.
        answer = api.call("POST", "/devices", key, body, headers={"Idempotency-Key": uuid.uuid4().hex})
        if answer.status != 201:
            said = answer.body[:300].decode("utf-8", "replace")
            raise EnrolmentError("camera %d was not enrolled: %s" % (number, said))
        made = answer.json()
        if made["key"] is not None:
            return Identity(made["id"], made["key"])
    raise EnrolmentError("camera %d was enrolled, but its key got lost on the way every time" % number)
