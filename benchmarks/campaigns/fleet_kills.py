"""`kill -9` of the running service at every state of a promotion: it goes on or is taken back, and never stuck."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

from benchmarks.campaigns.fleet_site import LOOSE, VARIABLES, Site, site
from chalicelib.domain.deployment import TERMINAL
from chalicelib.domain.fleet_records import ACTIVE, deployment_from
from chalicelib.domain.ports import Index
from device.simulate.enrol import made
from device.simulate.fleet import Fleet
from scripts.service_process import ServiceError, ServiceProcess

CAMERAS = 40
TIMEOUT_S = 120.0
SPEED = 20.0
ENDS = {state.value for state in TERMINAL}


def measure_kills(kills: int) -> dict[str, Any]:
    """A promotion after the other; each is killed once, a little later than the one before, and some are aborted."""
    with site() as here:
        identities = here.enrol(CAMERAS)
        fleet = Fleet(here.client.url, made(identities, {}, here.shelf), 4, speed=SPEED)
        models = [here.model("good"), here.model("other")]
        fleet.start()
        killed_at: list[str] = []
        ends: list[str] = []
        active = 0
        try:
            for number in range(kills):
                end, state, most_active = _one(here, models[number % 2], number, kills)
                killed_at.append(state)
                ends.append(end)
                active = max(active, most_active)
        finally:
            fleet.stop()
        whole = here.client.call("GET", "/ledger/verify")["whole"]
        return {
            "kills": kills,
            "killed_at": {state: killed_at.count(state) for state in sorted(set(killed_at))},
            "ends": {state: ends.count(state) for state in sorted(set(ends))},
            "stuck": sum(end not in ENDS for end in ends),
            "most_active_on_one_target": active,
            "ledger_is_whole": whole,
        }


def _one(here: Site, model: dict[str, Any], number: int, kills: int) -> tuple[str, str, int]:
    """How the promotion ended, the state it was killed in, and how many were active afterwards."""
    waves = [{"percent": 20, "soak_s": 1}, {"percent": 100, "soak_s": 1}]
    deployment = here.deploy(model, waves=waves, abort=LOOSE, endpoint={"soak_s": 1})
    if number % 3 == 2:
        time.sleep(2.5)
        here.client.call("POST", f"/deploy/{deployment}/abort", {"reason": "measured"})
    time.sleep(6.0 * number / kills)
    state = here.get(deployment)["state"]
    _kill(here)
    active = _active(here)
    end = here.ended(deployment, TIMEOUT_S)
    return str(end["state"]), str(state), active


def _kill(here: Site) -> None:
    """SIGKILL, and the same service again on the same home and port."""
    port = here.process.port
    os.kill(here.process.pid, signal.SIGKILL)
    here.process.stop()
    os.environ["BINSIGHT_PORT"] = str(port)
    until_s = time.monotonic() + TIMEOUT_S
    while True:
        try:
            here.process = ServiceProcess(here.home, here.home / "service.log", VARIABLES)
            break
        except ServiceError:
            # The port may still be held for a moment.
            if time.monotonic() > until_s:
                raise
    del os.environ["BINSIGHT_PORT"]


def _active(here: Site) -> int:
    page = here.store().query(ACTIVE, index=Index.SECOND, limit=1000)
    return sum(not deployment_from(record).is_terminal for record in page.records)
