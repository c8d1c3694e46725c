"""`kill -9` of the running service in every state of a promotion: it goes on or is taken back, and is never stuck."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks.campaigns.fleet_killer import ANYWHERE, ENDS, Killed, Killer
from benchmarks.campaigns.fleet_site import LOOSE, site
from benchmarks.campaigns.fleet_strike import STEPS
from device.simulate.enrol import made
from device.simulate.fleet import Fleet

CAMERAS = 40
SPEED = 20.0
TIMEOUT_S = 120.0


@contextmanager
def promoted_killer(cameras: int = CAMERAS) -> Iterator[tuple[Killer, Fleet]]:
    """A service with a model that is live and proved on every camera, and another to promote; photos are asked."""
    with site() as here:
        fleet = Fleet(here.client.url, made(here.enrol(cameras), {}, here.shelf), 4, speed=SPEED)
        models = {kind: here.model(kind) for kind in ("good", "other")}
        killer = Killer(here, {kind: str(model["id"]) for kind, model in models.items()})
        fleet.start()
        try:
            waves = [{"percent": 100}]
            here.ended(here.deploy(models["good"], waves=waves, abort=LOOSE), TIMEOUT_S)
            with killer.asking():
                yield killer, fleet
        finally:
            fleet.stop()
            killer.store.close()


def measure_kills(kills: int) -> dict[str, Any]:
    """Every state by turns, and as often at any moment."""
    steps = [step for number in range(kills) for step in (STEPS[number % len(STEPS)], ANYWHERE)][:kills]
    killed: list[Killed] = []
    orphans: set[str] = set()
    with promoted_killer() as (killer, fleet):
        for step in steps:
            killed.append(killer.kill(step))
            orphans |= killer.orphans()
        is_proved = fleet.wait_until(lambda: set(fleet.verdicts()) == {"verified"}, TIMEOUT_S)
        whole = killer.here.client.call("GET", "/ledger/verify")["whole"]
        wrong = len(killer.wrong)
    return {
        "kills": kills,
        "killed_in": _counted([each.state for each in killed]),
        "ends": _counted([each.end for each in killed]),
        "ends_by_state": _counted([f"{each.state}: {each.end}" for each in killed]),
        "stuck": sum(each.end not in (*ENDS, "none") for each in killed),
        "most_active_on_one_target": max(each.active for each in killed),
        "orphaned_endpoints": len(orphans),
        "answers_with_wrong_labels": wrong,
        "every_camera_is_proved_at_the_end": is_proved,
        "ledger_is_whole": whole,
    }


def _counted(names: list[str]) -> dict[str, int]:
    return {name: names.count(name) for name in sorted(set(names))}
