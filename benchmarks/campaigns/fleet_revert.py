"""How long it takes until an online fleet is proved to be back on its previous model, at the pace the service sets."""

from __future__ import annotations

import time
from typing import Any

from benchmarks.campaigns.fleet_site import FLEET, LOOSE, site
from device.simulate.enrol import made
from device.simulate.fleet import Fleet

THREADS = 12
TIMEOUT_S = 900.0
ENOUGH = 0.99
HURRY = 20.0


def measure_revert(cameras: int) -> dict[str, Any]:
    """The whole fleet has the new model when an admin aborts; from then on every camera comes when it was told to."""
    with site() as here:
        identities = here.enrol(cameras)
        fleet_cameras = made(identities, {}, here.shelf)
        fleet = Fleet(here.client.url, fleet_cameras, THREADS, speed=HURRY)
        fleet.start()
        try:
            waves = [{"percent": 100, "soak_s": 1}]
            good = here.model("good")
            here.ended(here.deploy(good, waves=waves, abort=LOOSE), TIMEOUT_S)
            held = here.deploy(here.model("other"), waves=[{"percent": 100, "soak_s": 3600}], abort=LOOSE)
            fleet.wait_until(lambda: here.get(held)["counts"]["verified"] == cameras, TIMEOUT_S)
            fleet.set_speed(1.0)
            begun_s = time.monotonic()
            here.client.call("POST", f"/deploy/{held}/abort", {"reason": "measured"})
            is_back = fleet.wait_until(lambda: here.get(held)["counts"]["back"] >= ENOUGH * cameras, TIMEOUT_S)
            back_s = time.monotonic() - begun_s
            ended = here.ended(held, TIMEOUT_S)
            standing = here.client.call("GET", f"/fleets/{FLEET}")["standing"]["model"]
        finally:
            fleet.stop()
        return {
            "online": cameras,
            "is_99_percent_back": is_back,
            "time_to_99_percent_back_s": round(back_s, 1),
            "state": ended["state"],
            "counts": ended["counts"],
            "standing_is_the_previous": standing == good["id"],
        }
