"""Thousands of cameras with mixed faults: who is verified, who is named, how many check-ins, how many writes."""

from __future__ import annotations

import time
from typing import Any

from benchmarks.campaigns.fleet_site import LOOSE, Site, site, state_of
from chalicelib.domain.counting import DECIDED, NAMES
from chalicelib.domain.device import Member
from device.simulate.camera import Camera
from device.simulate.enrol import made
from device.simulate.faults import FAULTS, LYING, OFFLINE, REVOKED, WORSE
from device.simulate.fleet import Fleet

SHARE_OF_EACH_FAULT = 0.05
THREADS = 12
SEED = 20
TIMEOUT_S = 1800.0
# The last wave is held until every camera that can be heard has been decided.
HELD_S = 86_400.0
SHORT_S = 2.0
LAST_WAVE = 2
DAY_S = 86_400.0
WORSE_S = 180.0


def measure_promotion(cameras: int, heartbeat_s: float) -> dict[str, Any]:
    """`good` first, on cameras without faults but for those that are offline; then `other` on all of them."""
    with site() as here:
        begun_s = time.monotonic()
        identities = here.enrol(cameras)
        enrolled_s = time.monotonic() - begun_s
        shares = dict.fromkeys(FAULTS, SHARE_OF_EACH_FAULT)
        fleet_cameras = made(identities, shares, here.shelf, SEED, time.time() + DAY_S)
        fleet = Fleet(here.client.url, fleet_cameras, THREADS, speed=None)
        waiting = _waiting_faults(fleet_cameras)
        first = here.deploy(here.model("good"), waves=_waves(SHORT_S), abort=LOOSE, gate={"verified_share": 0.8})
        fleet.start()
        try:
            here.ended(first, TIMEOUT_S)
            fleet.wait_until(lambda: _all_asked(fleet_cameras), TIMEOUT_S)
            resting = _rate(fleet, heartbeat_s)
            for camera, fault in waiting.items():
                camera.fault = fault
            figures = _second(here, fleet, resting)
        finally:
            fleet.stop()
        return {
            "cameras": cameras,
            "share_of_each_fault": SHARE_OF_EACH_FAULT,
            "faults": list(FAULTS),
            "enrolments_per_s": round(cameras / enrolled_s, 1),
            **figures,
        }


def _second(here: Site, fleet: Fleet, resting: float) -> dict[str, Any]:
    """The promotion that is measured."""
    counted, begun_s = fleet.check_ins(), time.monotonic()
    deployment = here.deploy(here.model("other"), waves=_waves(HELD_S), abort=LOOSE, gate={"verified_share": 0.6})
    _revoke(here, fleet.cameras)
    is_decided = _decided(here, deployment, fleet)
    wall_s = time.monotonic() - begun_s
    busy = (fleet.check_ins() - counted) * 60 / wall_s
    ended = here.get(deployment)
    # Who sees worse than before is noticed after a hundred predictions only; the last wave still soaks.
    worse = {camera.identity.id for camera in fleet.cameras if camera.fault == WORSE}
    fleet.wait_until(lambda: here.get(deployment)["counts"]["worse"] >= len(worse), WORSE_S, every_s=2.0)
    fleet.stop()
    named_worse = here.named(deployment, "worse")
    return {
        "is_everybody_decided": is_decided,
        "wall_s": round(wall_s, 1),
        "checkins_per_min": round(resting),
        "checkins_per_min_in_promotion": round(busy),
        "counts": here.get(deployment)["counts"],
        "refusals": fleet.problems(),
        "worse": len(worse),
        "worse_named": len(worse & named_worse),
        "others_named_worse": len(named_worse - worse),
        **_truth(here, deployment, ended["digest"], fleet.cameras),
    }


def _truth(here: Site, deployment: str, digest: str, cameras: list[Camera]) -> dict[str, Any]:
    """What the service says of each camera against what that camera really runs."""
    store, tally = here.store(), here.tally()
    runs = {camera.identity.id: camera.runs for camera in cameras}
    boots = {camera.identity.id: camera.boot for camera in cameras}
    members = list(tally.members(deployment))
    verified = {member.device for member in members if member.outcome == "verified"}
    proved = {id_ for id_ in runs if state_of(store, id_).is_verified_on(deployment, digest, boots[id_])}
    liars = {camera.identity.id for camera in cameras if camera.fault == LYING}
    named = here.named(deployment, "unverified")
    counts, recount = tally.counts(deployment), _recount(members)
    transitions = [member.record_version for member in members]
    return {
        "false_verified": sum(runs.get(id_) != digest for id_ in verified | proved),
        "verified": len(verified),
        "liars": len(liars),
        "liars_named": len(liars & named),
        "others_named_unverified": len(named - liars),
        "counters_equal_recount": recount == {name: counts.of(name) for name in NAMES},
        "most_transitions": max(transitions, default=0),
        "writes_per_device": round(sum(transitions) / max(1, len(members)), 3),
    }


def _recount(members: list[Member]) -> dict[str, int]:
    """Every counter, from the cameras' own records."""
    listed = [member.outcome == "incompatible" for member in members]
    return {
        **{name: sum(member.outcome == name for member in members) for name in (*DECIDED, "incompatible")},
        "seen": listed.count(False),
        "worse": sum(bool(member.worse) for member in members),
        "back": sum(member.back is not None for member in members),
    }


def _waiting_faults(cameras: list[Camera]) -> dict[Camera, str]:
    """Faults of the second promotion: in the first one these cameras are sound, and so have something to lie about."""
    waiting = {camera: camera.fault for camera in cameras if camera.fault not in (None, OFFLINE)}
    for camera in waiting:
        camera.fault = None
    return {camera: fault for camera, fault in waiting.items() if fault is not None}


def _all_asked(cameras: list[Camera]) -> bool:
    """Everybody who can be heard has been told that there is nothing left to do."""
    return all(
        camera.is_stopped or camera.fault == OFFLINE or camera.verdict in ("verified", "none") for camera in cameras
    )


def _rate(fleet: Fleet, seconds: float) -> float:
    """Check-ins a minute with nothing to do but to ask and to report."""
    before, begun_s = fleet.check_ins(), time.monotonic()
    time.sleep(seconds)
    return (fleet.check_ins() - before) * 60 / (time.monotonic() - begun_s)


def _revoke(here: Site, cameras: list[Camera]) -> None:
    for camera in cameras:
        if camera.fault == REVOKED:
            here.client.call("DELETE", f"/devices/{camera.identity.id}")


def _decided(here: Site, deployment: str, fleet: Fleet) -> bool:
    """Whether the last wave has opened, and every camera that can be heard has been told what it is worth, in time."""
    opened = fleet.wait_until(lambda: here.get(deployment)["wave"] == LAST_WAVE, TIMEOUT_S)
    return opened and fleet.wait_until(lambda: _all_asked(fleet.cameras), TIMEOUT_S)


def _waves(last_soak_s: float) -> list[dict[str, float]]:
    return [
        {"percent": 10, "soak_s": SHORT_S},
        {"percent": 50, "soak_s": SHORT_S},
        {"percent": 100, "soak_s": last_soak_s},
    ]
