"""What a promotion, a fleet and a camera are refused, by name."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from device.simulate.connection import Connection
from device.simulate.enrol import EnrolmentError, enrolled
from tests.functional.client import Answer
from tests.functional.fleet_service import FleetService
from tests.functional.service import running, settings_of

BOOT = "0123456789abcdef"
REPORT = {"boot": BOOT, "previous_boot": None, "sequence": 1, "digest": None, "stage": "idle"}


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FleetService]:
    """`waste-1` stands on the fleet `kitchen` of two cameras; `waste-2` is approved, `waste-3` is not."""
    with running(settings_of(tmp_path_factory.mktemp("home"))) as service:
        made = FleetService(service, tmp_path_factory.mktemp("models"))
        made.enrol(2)
        made.promoted("good")
        made.model("other")
        made.unapproved("other")
        yield made
        made.shelf.close()


def refusal(answer: Answer) -> tuple[int, str]:
    assert answer.json()["detail"]
    return answer.status, answer.problem


@pytest.mark.parametrize(
    ("body", "status", "problem"),
    [
        ({"model": "none-9", "fleet": 5, "waves": "x"}, 404, "unknown-model"),
        ({"model": 5}, 422, "invalid-field"),
        ({}, 422, "invalid-field"),
        ({"model": "waste-3"}, 409, "illegal-transition"),
        ({"model": "waste-2", "fleet": "kitchen", "waves": [{"percent": 101}]}, 422, "invalid-field"),
        ({"model": "waste-2", "fleet": "kitchen", "waves": [{"percent": 0}]}, 422, "invalid-field"),
        ({"model": "waste-2", "fleet": "kitchen", "waves": [{"percent": 50}, {"percent": 20}]}, 422, "invalid-field"),
        ({"model": "waste-2", "fleet": "kitchen", "waves": [{"percent": 50}]}, 422, "invalid-field"),
        ({"model": "waste-2", "fleet": "kitchen", "waves": []}, 422, "invalid-field"),
        ({"model": "waste-2", "waves": [{"percent": 100}]}, 422, "invalid-field"),
        ({"model": "waste-2", "fleet": "kitchen", "gate": {"verified_share": 1.5}}, 422, "invalid-field"),
        ({"model": "waste-2", "fleet": "kitchen", "abort": {"failed": {"share": -1}}}, 422, "invalid-field"),
        ({"model": "waste-2", "fleet": "kitchen", "surprise": True}, 422, "invalid-field"),
        ({"model": "waste-2", "fleet": "kitchen", "devices": []}, 422, "invalid-field"),
        ({"model": "waste-2", "endpoint": False}, 422, "invalid-field"),
        ({"model": "waste-2", "endpoint": {"canary": {"share": 0.9}}}, 422, "invalid-field"),
        ({"model": "waste-2", "fleet": "nowhere"}, 404, "unknown-fleet"),
        ({"model": "waste-2", "fleet": "deserted"}, 409, "empty-fleet"),
        ({"model": "waste-2", "fleet": "counters"}, 409, "task-mismatch"),
        ({"model": "waste-2", "fleet": "kitchen", "devices": ["nobody"]}, 404, "unknown-device"),
        ({"model": "waste-2", "fleet": "kitchen", "first": ["elsewhere"]}, 422, "invalid-plan"),
        ({"model": "waste-4", "fleet": "kitchen"}, 409, "not-distinguishable"),
        ({"model": "waste-4", "fleet": "kitchen", "dry_run": True}, 409, "not-distinguishable"),
    ],
    ids=lambda value: json.dumps(value)[:70] if isinstance(value, dict) else str(value),
)
def test_a_promotion_that_does_not_fit_is_refused_by_name(
    fleet: FleetService, body: dict[str, Any], status: int, problem: str
) -> None:
    fleet.prepare_odd_fleets()
    before = fleet.service.client.get("/deploy").json()["items"]
    assert refusal(fleet.service.client.post("/deploy", body)) == (status, problem)
    assert fleet.service.client.get("/deploy").json()["items"] == before


@pytest.mark.parametrize(
    ("body", "field", "reason"),
    [
        ({"waves": [{"percent": 50}, {"percent": 20}]}, "waves", "every wave reaches further"),
        ({"waves": [{"percent": 101}]}, "waves.0.percent", "less than or equal to 100"),
        ({"waves": [{"percent": 5, "confirm": True}, {"percent": 100}]}, "waves", "the first wave is the word"),
        ({"devices": []}, "devices", "at least 1"),
        ({"endpoint": {"memory_mb": 1000}}, "endpoint.settings.memory_mb", "1024, 2048"),
        ({"endpoint": {"instance_type": "ml.m5.large", "memory_mb": 2048}}, "endpoint.settings", "its own memory"),
        ({"endpoint": "yes"}, "endpoint.settings", "an object"),
        ({"devices": ["a"], "first": ["a"]}, "body", "named 'devices' are promoted together"),
    ],
)
def test_what_does_not_fit_is_named_with_its_reason(
    fleet: FleetService, body: dict[str, Any], field: str, reason: str
) -> None:
    answer = fleet.service.client.post("/deploy", {"model": "waste-2", "fleet": "kitchen", **body}).json()
    assert [error["field"] for error in answer["errors"]] == [field]
    assert reason in answer["errors"][0]["reason"]


def test_a_dry_run_shows_what_would_happen_and_does_nothing(fleet: FleetService) -> None:
    before = fleet.service.client.get("/ledger").json()["items"]
    answer = fleet.service.client.post("/deploy", {"model": "waste-2", "fleet": "kitchen", "dry_run": True})
    shown = answer.json()
    assert answer.status == 200
    assert shown["baseline"] == {"endpoint": "waste-1", "fleet": "waste-1"}
    assert set(shown["fleet"]["first"]) <= {camera.identity.id for camera in fleet.cameras}
    assert len(shown["fleet"]["first"]) == 1
    assert shown["fleet"]["golden_photos"]["telling"] >= shown["fleet"]["golden_photos"]["needed"]
    # Three waves of five minutes by default, and in each a camera asks and proves.
    assert shown["shortest_s"] == 3 * (300 + 2 * 10)
    assert (shown["endpoint"]["kind"], shown["endpoint"]["quota"]) == ("serverless", None)
    assert shown["endpoint"]["price"]["hourly_usd"] == 0
    checks = shown["fleet"]["checks"]
    assert checks["per_day"] == len(fleet.cameras) * 24 * 60
    assert 0 < checks["aws_usd_for_promotion"] < checks["aws_usd_per_day"]
    assert fleet.service.client.get("/ledger").json()["items"] == before


@pytest.mark.parametrize("path", ["target?boot=" + BOOT, "artifact", "golden/classify-1-00"])
def test_a_camera_may_not_speak_for_another(fleet: FleetService, path: str) -> None:
    first, second = fleet.cameras[:2]
    client = fleet.service.client.with_key(first.identity.key)
    assert refusal(client.get(f"/devices/{second.identity.id}/{path}")) == (403, "another-device")
    assert refusal(client.post(f"/devices/{second.identity.id}/report", REPORT)) == (403, "another-device")


@pytest.mark.parametrize("path", ["target?boot=" + BOOT, "artifact", "golden/classify-1-00"])
def test_an_admin_may_not_speak_for_a_camera(fleet: FleetService, path: str) -> None:
    device = fleet.cameras[0].identity.id
    assert refusal(fleet.service.client.get(f"/devices/{device}/{path}")) == (403, "missing-scope")


@pytest.mark.parametrize("path", ["/models", "/deploy", "/devices", "/keys", "/fleets"])
def test_a_camera_may_do_nothing_else(fleet: FleetService, path: str) -> None:
    client = fleet.service.client.with_key(fleet.cameras[0].identity.key)
    assert refusal(client.get(path)) == (403, "missing-scope")


@pytest.fixture
def camera(fleet: FleetService) -> Iterator[tuple[Connection, str, str]]:
    made = fleet.service.client.post("/devices", {"fleet": "kitchen"}).json()
    api = Connection(fleet.url)
    yield api, made["id"], made["key"]
    api.close()


def report(camera: tuple[Connection, str, str], **members: Any) -> tuple[int, str]:
    api, device, key = camera
    answer = api.call("POST", f"/devices/{device}/report", key, {**REPORT, **members})
    return answer.status, answer.problem or answer.json()["verdict"]


def test_a_sequence_that_goes_backwards_is_refused_and_a_replay_is_not(camera: tuple[Connection, str, str]) -> None:
    assert report(camera, sequence=5) == (200, "update")
    assert report(camera, sequence=5) == (200, "update")
    assert report(camera, sequence=4) == (409, "sequence-backwards")
    assert report(camera, sequence=6) == (200, "update")


def test_an_old_boot_is_stale_and_two_by_turns_are_a_clone(camera: tuple[Connection, str, str]) -> None:
    second = "b" * 16
    assert report(camera)[0] == 200
    assert report(camera, boot=second, previous_boot=BOOT)[0] == 200
    assert report(camera, sequence=2) == (409, "stale-boot")
    assert report(camera, boot=second, previous_boot=BOOT, sequence=2)[0] == 200
    assert report(camera, sequence=3) == (409, "cloned-device")
    assert report(camera, boot="c" * 16, previous_boot="d" * 16) == (409, "stale-boot")


def test_a_nonce_of_another_promotion_is_refused(fleet: FleetService, camera: tuple[Connection, str, str]) -> None:
    api, device, key = camera
    target = api.call("GET", f"/devices/{device}/target?boot={BOOT}", key).json()
    proof = {"digest": target["digest"], "answers": [], "nonce": target["nonce"], "stage": "proving"}
    assert report(camera, **proof, deployment="another") == (409, "foreign-nonce")
    assert report(camera, **{**proof, "nonce": "0" * 32}, deployment=target["deployment"]) == (409, "foreign-nonce")
    assert report(camera, **proof, deployment=target["deployment"]) == (200, "refused")


def test_a_camera_with_a_wrong_clock_is_served_all_the_same(
    fleet: FleetService, camera: tuple[Connection, str, str]
) -> None:
    assert report(camera, sent_at_s=1.0)[0] == 200
    offset_s = fleet.service.client.get(f"/devices/{camera[1]}").json()["state"]["clock_offset_s"]
    assert offset_s < -1e9


@pytest.mark.parametrize(
    "members",
    [{"boot": "x"}, {"sequence": 0}, {"sequence": 1.5}, {"digest": "abc"}, {"stage": "dancing"}, {"surprise": 1},
     {"failure": {"code": "mood"}}, {"counters": {"predictions": -1, "unknown": 0, "confidence_sum": 0}}],
)  # fmt: skip
def test_a_report_that_does_not_fit_is_refused_by_field(camera: tuple[Connection, str, str], members: Any) -> None:
    assert report(camera, **members) == (422, "invalid-field")


@pytest.mark.parametrize("boot", ["", "short", "UPPER-CASE-IS-NOT", "x" * 65])
def test_a_target_is_asked_for_with_a_boot(camera: tuple[Connection, str, str], boot: str) -> None:
    api, device, key = camera
    answer = api.call("GET", f"/devices/{device}/target?boot={boot}", key)
    assert (answer.status, answer.problem) == (400, "invalid-query")


def test_the_target_is_pure_and_has_an_etag(camera: tuple[Connection, str, str]) -> None:
    api, device, key = camera
    path = f"/devices/{device}/target?boot={BOOT}"
    first = api.call("GET", path, key)
    again = api.call("GET", path, key, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status, again.body) == (304, b"")
    assert api.call("GET", path, key).body == first.body
    other = api.call("GET", f"/devices/{device}/target?boot={'e' * 16}", key).json()
    assert other["nonce"] != first.json()["nonce"]


def test_the_artifact_is_the_targets_and_resumes(camera: tuple[Connection, str, str]) -> None:
    api, device, key = camera
    answer = api.call("GET", f"/devices/{device}/artifact", key).json()
    path = answer["url"].partition(str(api._port))[2]
    whole = api.call("GET", path).body
    assert len(whole) == answer["bytes"]
    rest = api.call("GET", path, headers={"Range": "bytes=10-", "If-Match": f'"{answer["digest"]}"'})
    assert (rest.status, rest.body) == (206, whole[10:])


def test_an_enrolment_code_is_for_its_fleet_its_number_and_its_time(fleet: FleetService) -> None:
    admin = fleet.service.client
    code = admin.post("/fleets/cellar/codes", {"devices": 2}).json()["code"]
    coded = admin.with_key(code)
    assert refusal(coded.post("/devices", {"fleet": "kitchen"})) == (422, "invalid-field")
    assert [coded.post("/devices", {}).json()["fleet"] for _ in range(2)] == ["cellar", "cellar"]
    assert refusal(coded.post("/devices", {})) == (409, "enrolment-code-used-up")
    assert refusal(coded.get("/devices")) == (403, "missing-scope")
    assert refusal(admin.with_key(code + "0").post("/devices", {})) == (401, "invalid-key")


def test_cameras_that_enrol_with_one_code_at_once_do_not_wait_for_each_other(
    fleet: FleetService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each would have to read how many are left and be the first to write it: that broke with 10,000."""
    pauses: list[float] = []
    monkeypatch.setitem(vars(fleet.service.services.fleets), "pause", pauses.append)
    code = fleet.service.client.post("/fleets/hall/codes", {"devices": 90}).json()["code"]
    identities = enrolled(fleet.url, code, None, 90, threads=30)
    assert len({identity.id for identity in identities}) == 90
    assert fleet.service.client.get("/fleets/hall").json()["devices"] == 90
    # A fleet that is new is made by whoever comes first: one try more for those who came with it.
    assert len(pauses) < 30
    again = enrolled(fleet.url, str(fleet.service.client.key), "hall", 60, threads=30)
    assert len({identity.id for identity in again}) == 60
    with pytest.raises(EnrolmentError, match="used up"):
        enrolled(fleet.url, code, None, 1, threads=1)


def test_a_key_is_rotated_and_revoked(fleet: FleetService) -> None:
    admin = fleet.service.client
    made = admin.post("/devices", {"id": "porch", "fleet": "garden"}).json()
    assert refusal(admin.post("/devices", {"id": "porch", "fleet": "garden"})) == (409, "device-exists")
    path = f"/devices/porch/target?boot={BOOT}"
    assert admin.with_key(made["key"]).get(path).status == 200
    fresh = admin.post("/devices/porch/rotate").json()["key"]
    assert refusal(admin.with_key(made["key"]).get(path)) == (401, "invalid-key")
    assert admin.with_key(fresh).get(path).status == 200
    assert admin.call("DELETE", "/devices/porch").status == 204
    assert refusal(admin.with_key(fresh).get(path)) == (401, "invalid-key")
    assert refusal(admin.get("/devices/porch")) == (404, "unknown-device")
    assert admin.get("/fleets/garden").json()["devices"] == 0


def test_an_enrolment_that_is_sent_twice_makes_one_camera(fleet: FleetService) -> None:
    headers = {"Idempotency-Key": "shelf-7", "Content-Type": "application/json"}
    first, again = (
        fleet.service.client.call("POST", "/devices", b'{"fleet": "attic"}', headers).json() for _ in range(2)
    )
    assert (again["id"], again["key"]) == (first["id"], None)
    assert first["key"].startswith("bsd_")
    assert fleet.service.client.get("/fleets/attic").json()["devices"] == 1


@pytest.mark.parametrize("at", ["9" * 30, "9" * 400, "2026-11-20"])
def test_a_time_that_is_none_is_refused(fleet: FleetService, at: str) -> None:
    assert refusal(fleet.service.client.get(f"/deploy?at={at}")) == (400, "invalid-query")


def test_a_camera_whose_pin_is_refused_is_not_moved_either(fleet: FleetService) -> None:
    fleet.service.client.post("/devices", {"id": "lens", "fleet": "hall", "engine": "awscam"})
    for model, expected in (("none-1", (404, "unknown-model")), ("waste-2", (422, "invalid-plan"))):
        body = json.dumps({"fleet": "attic", "pinned": model}).encode()
        assert refusal(fleet.service.client.call("PATCH", "/devices/lens", body)) == expected
        assert fleet.service.client.get("/devices/lens").json()["fleet"] == "hall"


def test_a_window_that_is_never_open_is_refused(fleet: FleetService) -> None:
    body = b'{"update_window": {"from": "02:00", "until": "02:00"}}'
    assert refusal(fleet.service.client.call("PATCH", "/fleets/kitchen", body)) == (422, "invalid-field")
