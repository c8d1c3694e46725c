"""The demo's fleet: three simulated cameras follow a promotion, and bring a bad one down."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from device.simulate.session import simulated
from scripts.service_process import Client

FLEET = "demo"
CAMERAS = 3
SPEED = 40.0
POLL_S = 0.3
TIMEOUT_S = 75.0
ENDED = ("succeeded", "expired", "reverted", "revert_incomplete", "superseded", "failed")


@contextmanager
def cameras(client: Client, frames: Sequence[bytes]) -> Iterator[None]:
    """Three cameras that look at `frames` with the model that they run, as long as the block lasts."""
    with simulated(client.url, client.key, FLEET, CAMERAS, frames, speed=SPEED):
        yield


def promote_to_fleet(client: Client, model_id: str, with_endpoint: bool) -> dict[str, Any]:
    """Promote, in two waves, to the cameras, and to the endpoint before when asked; print every state until the end."""
    request = {
        "model": model_id,
        "endpoint": with_endpoint,
        "fleet": FLEET,
        "waves": [{"percent": 30, "soak_s": 1}, {"percent": 100, "soak_s": 4}],
        "abort": {"worse": {"share": 0.3, "minimum": 1}},
        "reason": "the demo",
    }
    return _followed(client, client.call("POST", "/deploy", request)["id"])


def _followed(client: Client, deployment_id: str) -> dict[str, Any]:
    until_s = time.monotonic() + TIMEOUT_S
    shown = ""
    while True:
        deployment = client.call("GET", f"/deploy/{deployment_id}")
        line = _line(deployment)
        if line != shown:
            shown = line
            print(f"   {line}", flush=True)
        if deployment["state"] in ENDED or time.monotonic() > until_s:
            return deployment
        time.sleep(POLL_S)


def _line(deployment: dict[str, Any]) -> str:
    counts = deployment["counts"]
    told = ", ".join(f"{number} {name}" for name, number in counts.items() if isinstance(number, int) and number)
    wave = f" {deployment['wave'] + 1}" if deployment["state"] == "wave" else ""
    return f"{deployment['state']}{wave}: {told or 'no camera yet'}"
