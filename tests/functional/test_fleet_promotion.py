"""Promotions to simulated cameras over real HTTP: proved, taken back, never believed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from device.simulate.connection import Connection
from tests.functional.fleet_service import FleetService
from tests.functional.service import Service


@pytest.fixture
def fleet(empty: Service, tmp_path: Path) -> Iterator[FleetService]:
    # Every answer is to be as fresh as the store.
    empty.services.check_ins.targets.recent._fresh_s = 0.0
    made = FleetService(empty, tmp_path / "models")
    yield made
    made.shelf.close()


def test_a_promotion_goes_wave_by_wave_until_every_camera_is_proved(fleet: FleetService) -> None:
    fleet.enrol(6)
    model = fleet.model("good")
    begun = fleet.deploy(model)
    assert (begun["state"], begun["wave"]) == ("wave", 0)
    ended = fleet.go_on(begun)
    assert ended["state"] == "succeeded", ended
    assert (ended["outcome"]["verified"], ended["outcome"]["behind"]) == (6, 0)
    assert ended["counts"] == {**ended["counts"], "seen": 6, "verified": 6, "undecided": 0, "failed": 0}
    assert {camera.verdict for camera in fleet.cameras} == {"verified"}
    assert all(camera.digest == ended["digest"] for camera in fleet.cameras)


def test_a_wave_reaches_nobody_before_the_one_before_it_is_verified(fleet: FleetService) -> None:
    fleet.enrol(10)
    begun = fleet.deploy(fleet.model("good"))
    fleet.check_in()
    assert 1 <= fleet.get(begun)["counts"]["seen"] < 10
    assert fleet.get(begun)["wave"] == 0


def test_a_camera_that_claims_the_new_model_and_runs_the_old_one_is_named(fleet: FleetService) -> None:
    fleet.enrol(20, {"lying": 0.1})
    fleet.promoted("good")
    limits = {"unverified": {"share": 0.5, "minimum": 20}}
    waves = [{"percent": 100, "soak_s": 3600}]
    ended = fleet.go_on(fleet.deploy(fleet.model("other"), abort=limits, waves=waves), rounds=3)
    assert ended["state"] == "wave", ended
    liars = {camera.identity.id for camera in fleet.cameras if camera.fault == "lying"}
    named = {each["device"] for each in ended["named"] if each["outcome"] == "unverified"}
    assert named == liars
    assert {each["reason"] for each in ended["named"]} == {"answers-of-another-model"}
    assert (ended["counts"]["verified"], ended["counts"]["unverified"]) == (18, 2)


def test_a_model_that_cameras_cannot_run_is_taken_back_and_every_camera_is_proved_to_be_back(
    fleet: FleetService,
) -> None:
    fleet.enrol(10)
    good = fleet.promoted("good")
    for camera in fleet.cameras[:]:
        camera.fault = "crashing"
    # Wherever they stand on the ring, the first wave holds enough of them to decide.
    begun = fleet.deploy(fleet.model("other"), gate={"minimum_seen": 3})
    ended = fleet.go_on(begun)
    assert ended["state"] == "reverted", ended
    assert "failed" in ended["reason"]
    assert ended["counts"]["back"] == ended["counts"]["seen"] > 0
    assert fleet.service.client.get("/fleets/kitchen").json()["standing"]["model"] == good
    assert fleet.live_model() == good


def test_with_nothing_before_it_a_model_that_is_taken_back_leaves_the_cameras_on_their_factorys(
    fleet: FleetService,
) -> None:
    fleet.enrol(4)
    begun = fleet.deploy(fleet.model("good"), waves=[{"percent": 100, "soak_s": 3600}])
    assert fleet.go_on(begun, rounds=3)["counts"]["verified"] == 4
    fleet.service.client.post(f"/deploy/{begun['id']}/abort", {})
    assert {camera.runs for camera in fleet.cameras} == {begun["digest"]}
    ended = fleet.go_on(begun)
    assert (ended["state"], ended["counts"]["back"]) == ("reverted", 4)
    assert {camera.runs for camera in fleet.cameras} == {None}


def test_cameras_that_see_worse_than_before_bring_the_promotion_down(fleet: FleetService) -> None:
    fleet.enrol(5)
    fleet.promoted("good")
    for camera in fleet.cameras:
        camera.fault = "worse"
    fleet.check_in()
    begun = fleet.deploy(fleet.model("other"), waves=[{"percent": 100, "soak_s": 60}])
    ended = fleet.go_on(begun)
    assert ended["state"] == "reverted", ended
    assert "worse" in ended["reason"]


def test_the_abort_is_decided_on_the_report_that_crosses_the_threshold(fleet: FleetService) -> None:
    fleet.enrol(10)
    fleet.promoted("good")
    for camera in fleet.cameras:
        camera.fault = "corrupt"
    begun = fleet.deploy(fleet.model("other"), waves=[{"percent": 100}], abort={"failed": {"share": 0.2, "minimum": 3}})
    # Nobody ticks here: the service decides while it answers.
    for camera in fleet.cameras[:3]:
        assert fleet.get(begun)["state"] == "wave"
        fleet.check_in([camera])
    assert fleet.get(begun)["state"] == "reverting"
    assert fleet.get(begun)["counts"]["failed"] == 3


def test_a_new_boot_is_proved_again(fleet: FleetService) -> None:
    (camera,) = fleet.enrol(1)
    fleet.promoted("good")
    path = f"/devices/{camera.identity.id}"
    assert fleet.service.client.get(path).json()["state"]["verified"] is True
    camera.restart()
    api = Connection(fleet.url)
    camera._report(api, "idle")
    assert camera.verdict == "prove"
    assert fleet.service.client.get(path).json()["state"]["verified"] is False
    camera.step(api)
    assert camera.verdict == "verified"
    assert fleet.service.client.get(path).json()["state"]["verified"] is True
    api.close()


def test_a_camera_that_returns_gets_the_present_target_never_a_superseded_one(fleet: FleetService) -> None:
    cameras = fleet.enrol(4)
    fleet.promoted("good")
    stuck = fleet.deploy(fleet.model("other"), waves=[{"percent": 100}])
    fleet.check_in(cameras[:1])
    third = fleet.model("good")
    newer = fleet.deploy(third, allow_indistinguishable=True)
    assert fleet.get(stuck)["state"] == "superseded"
    assert fleet.go_on(newer)["state"] == "succeeded"
    assert {camera.digest for camera in cameras} == {newer["digest"]}
    assert stuck["digest"] not in {digest for camera in cameras[1:] for digest in camera.tally.claimed}


def test_a_camera_that_was_offline_joins_the_standing_target_and_is_proved_against_it(fleet: FleetService) -> None:
    here, away = fleet.enrol(8), fleet.enrol(2, {"offline": 1.0})
    ended = fleet.go_on(fleet.deploy(fleet.model("good"), gate={"verified_share": 0.9}, timeout={"lengthen_s": 1}))
    assert ended["state"] in ("succeeded", "wave"), ended
    for camera in away:
        camera.offline_until_s = 0.0
    ended = fleet.go_on(ended)
    fleet.check_in()
    fleet.check_in()
    assert {camera.verdict for camera in here + away} == {"verified"}


def test_clocks_replays_and_reordered_reports_change_nothing(fleet: FleetService) -> None:
    fleet.enrol(9, {"clock": 0.34, "replaying": 0.33, "reordering": 0.33})
    ended = fleet.go_on(fleet.deploy(fleet.model("good")))
    assert ended["state"] == "succeeded", ended
    assert ended["counts"]["verified"] == ended["counts"]["seen"] == 9


def test_the_counters_equal_a_recount_of_the_cameras(fleet: FleetService) -> None:
    fleet.enrol(30, {"lying": 0.1, "corrupt": 0.1, "crashing": 0.1, "slow": 0.1})
    assert fleet.settled("good")
    loose = {name: {"share": 1.0, "minimum": 1000} for name in ("failed", "unverified", "timed_out", "worse")}
    begun = fleet.deploy(fleet.model("other"), abort=loose, gate={"verified_share": 0.3})
    ended = fleet.go_on(begun)
    members = list(fleet.service.services.deployments.tally.members(begun["id"]))
    for outcome in ("verified", "failed", "unverified", "timed_out"):
        assert ended["counts"][outcome] == sum(member.outcome == outcome for member in members), outcome
    assert ended["counts"]["seen"] == len(members)


def test_a_camera_whose_key_was_revoked_stops_and_is_not_counted_as_verified(fleet: FleetService) -> None:
    first, *others = fleet.enrol(4)
    fleet.service.client.call("DELETE", f"/devices/{first.identity.id}")
    ended = fleet.go_on(fleet.deploy(fleet.model("good")))
    assert ended["state"] == "succeeded", ended
    assert first.is_stopped
    assert ended["outcome"]["verified"] == len(others) == ended["outcome"]["devices"]


def test_named_devices_alone_are_promoted(fleet: FleetService) -> None:
    first, second, third = fleet.enrol(3)
    fleet.promoted("good")
    other = fleet.model("other")
    body = {"model": other, "fleet": "kitchen", "devices": [second.identity.id]}
    begun = fleet.service.client.post("/deploy", body).json()
    assert begun["endpoint"] is None
    ended = fleet.go_on(begun)
    assert ended["state"] == "succeeded", ended
    fleet.check_in()
    assert second.digest == ended["digest"]
    assert ended["digest"] not in (first.digest, third.digest)


def test_incompatible_cameras_are_listed_and_do_not_hold_the_wave_up(fleet: FleetService) -> None:
    fleet.enrol(3)
    odd = fleet.service.client.post("/devices", {"id": "odd", "fleet": "kitchen", "engine": "awscam"}).json()
    # In one wave: a last one that held nobody else would close before it is seen.
    begun = fleet.deploy(fleet.model("good"), waves=[{"percent": 100}])
    api = Connection(fleet.url)
    report = {"boot": "b" * 16, "previous_boot": None, "sequence": 1, "stage": "idle"}
    for sequence in range(1, 13):
        fleet.check_in()
        api.call("POST", "/devices/odd/report", odd["key"], {**report, "sequence": sequence})
        fleet.service.services.tick()
        ended = fleet.get(begun)
        if ended["state"] == "succeeded":
            break
    api.close()
    assert ended["state"] == "succeeded", ended
    assert [(each["device"], each["outcome"]) for each in ended["named"]] == [("odd", "incompatible")]
    assert (ended["counts"]["seen"], ended["counts"]["failed"]) == (3, 0)


def test_what_was_live_then_can_be_asked(fleet: FleetService) -> None:
    fleet.enrol(2)
    good = fleet.promoted("good")
    then = fleet.service.services.deployments.clock()
    other = fleet.promoted("other")
    live = fleet.service.client.get(f"/deploy?at={then}").json()["live"]
    assert (live["endpoint:classify"]["model"], live["fleet:kitchen"]["model"]) == (good, good)
    now = fleet.service.services.deployments.clock() + 1
    live = fleet.service.client.get(f"/deploy?at={now}").json()["live"]
    assert (live["endpoint:classify"]["model"], live["fleet:kitchen"]["model"]) == (other, other)
    assert (live["fleet:kitchen"]["wave"], live["fleet:kitchen"]["elsewhere"]) == (None, None)
    assert fleet.service.client.get("/deploy?at=1").json()["live"]["fleet:kitchen"] is None
