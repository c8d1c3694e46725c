"""From an artifact's bytes to the model that answers: uploads, registry, gates, promotion, ledger."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from device.runtime.artifact import describe_files, pack
from tests.device.models import RED, jpeg, model_folder, plain
from tests.functional.client import path_of
from tests.functional.service import Service, promote, register, upload

Archives = dict[str, Path]
TEN_BYTES = {"bytes": 10, "sha256": hashlib.sha256(b"0123456789").hexdigest(), "content_type": "image/jpeg"}


def announce(service: Service, body: bytes, **changes: object) -> dict:
    terms = {"bytes": len(body), "sha256": hashlib.sha256(body).hexdigest(), "content_type": "application/gzip"}
    answer = service.client.post("/uploads", {**terms, **changes})
    assert answer.status == 201, answer.body
    return dict(answer.json())


def test_an_artifact_becomes_the_model_that_answers(empty: Service, archives: Archives) -> None:
    model = register(empty.client, archives["classify"])
    assert (model["id"], model["state"], model["task"]) == ("waste-1", "ready", "classify")
    refused = empty.client.post("/deploy", {"model": "waste-1"})
    assert (refused.status, refused.problem) == (409, "illegal-transition")
    assert "approve" in refused.json()["detail"]
    decision = {"override": True, "reason": "a small model of the tests"}
    assert empty.client.post("/models/waste-1/approve", decision).json()["approved_by"] == "key:environment"
    deployed = empty.client.post("/deploy", {"model": "waste-1"})
    assert deployed.status == 201
    assert deployed.json()["state"] == "succeeded"
    assert empty.client.get(deployed.headers["location"]).json() == deployed.json()
    answer = empty.client.call("POST", "/classify", jpeg(plain(RED))).json()
    digest = hashlib.sha256(archives["classify"].read_bytes()).hexdigest()
    assert answer["model"] == {"id": "waste-1", "version": 1, "digest": digest, "task": "classify"}


def test_the_next_promotion_replaces_the_one_before(empty: Service, archives: Archives) -> None:
    promote(empty.client, archives["classify"])
    assert promote(empty.client, archives["classify"]) == "waste-2"
    assert empty.client.call("POST", "/classify", jpeg(plain(RED))).json()["model"]["id"] == "waste-2"
    newest = empty.client.get("/deploy?limit=1").json()["items"][0]
    assert (newest["model"], newest["baseline"]) == ("waste-2", "waste-1")


@pytest.mark.parametrize("move", ["approve", "reject", "retire"])
def test_a_retired_model_moves_nowhere(empty: Service, archives: Archives, move: str) -> None:
    register(empty.client, archives["classify"])
    assert empty.client.post("/models/waste-1/retire", {"reason": "old"}).json()["state"] == "retired"
    answer = empty.client.post(f"/models/waste-1/{move}")
    assert (answer.status, answer.problem, answer.json()["legal"]) == (409, "illegal-transition", [])


def test_models_are_listed_by_task(serving: Service) -> None:
    listed = serving.client.get("/models?task=count").json()["items"]
    assert {each["task"] for each in listed} == {"count"}
    assert serving.client.get("/models?task=paint").problem == "invalid-query"


def test_one_model_shows_its_manifest(serving: Service) -> None:
    assert [label["name"] for label in serving.client.get("/models/waste-1").json()["manifest"]["labels"]] == [
        "landfill",
        "compost",
        "recycling",
    ]


def test_versions_of_one_name_are_given_once_also_to_registrations_at_the_same_time(
    empty: Service, archives: Archives
) -> None:
    with ThreadPoolExecutor(6) as pool:
        made = list(pool.map(lambda _: register(empty.client, archives["classify"])["id"], range(6)))
    assert sorted(made) == [f"waste-{version}" for version in range(1, 7)]
    assert empty.client.get("/ledger/verify").json()["whole"] is True


def test_a_name_can_be_given_when_registering(empty: Service, archives: Archives) -> None:
    used = upload(empty.client, archives["classify"].read_bytes())
    assert empty.client.post("/models", {"upload": used, "name": "kitchen"}).json()["id"] == "kitchen-1"


def test_the_artifact_is_downloaded_in_ranges_and_resumed_only_while_it_is_the_same(
    serving: Service, archives: Archives
) -> None:
    whole = archives["classify"].read_bytes()
    path = path_of(serving.client.get("/models/waste-1/artifact").json()["url"])
    full = serving.stranger.call("GET", path)
    assert (full.status, full.body) == (200, whole)
    begun = serving.stranger.call("GET", path, headers={"Range": "bytes=0-999"})
    assert (begun.status, begun.headers["content-range"]) == (206, f"bytes 0-999/{len(whole)}")
    resume = {"Range": "bytes=1000-", "If-Match": begun.headers["etag"]}
    assert begun.body + serving.stranger.call("GET", path, headers=resume).body == whole
    assert serving.stranger.call("GET", path, headers={**resume, "If-Match": '"another"'}).status == 412
    assert serving.stranger.call("GET", path, headers={"Range": f"bytes={len(whole)}-"}).status == 416
    head = serving.stranger.call("HEAD", path)
    assert (head.status, head.headers["content-length"], head.body) == (200, str(len(whole)), b"")


@pytest.mark.parametrize(
    "change", ["signature=0", "signature=%C3%A9", "expires=9999999999", "expires=%C2%B2", f"expires={'9' * 5000}"]
)
def test_a_url_that_was_changed_is_refused(serving: Service, change: str) -> None:
    path = path_of(serving.client.get("/models/waste-1/artifact").json()["url"])
    name, _ = change.split("=")
    old = next(part for part in path.partition("?")[2].split("&") if part.startswith(name))
    assert serving.stranger.call("GET", path.replace(old, change)).status == 403


def test_a_download_url_does_not_open_other_files(serving: Service) -> None:
    path = path_of(serving.client.get("/models/waste-1/artifact").json()["url"])
    name, _, query = path.partition("?")
    for other in ("/files/../state.sqlite", "/files/..%2fstate.sqlite", "/files/uploads/x", name + "x"):
        assert serving.stranger.call("GET", f"{other}?{query}").status == 403


def test_bytes_other_than_announced_are_refused(empty: Service) -> None:
    announced = announce(empty, b"0123456789")
    answer = empty.client.put(announced["url"], b"012345678X", announced["headers"])
    assert answer.status == 400
    assert empty.client.post("/models", {"upload": announced["id"]}).problem == "unknown-upload"
    assert empty.client.put(announced["url"], b"0123456789", announced["headers"]).status == 200


@pytest.mark.parametrize("body", [b"", b"012345678", b"0123456789x"])
def test_a_length_other_than_announced_is_refused(empty: Service, body: bytes) -> None:
    announced = announce(empty, b"0123456789")
    headers = {**announced["headers"], "Content-Length": str(len(body))}
    assert empty.client.put(announced["url"], body, headers).status == 400


def test_a_chunked_upload_is_refused_because_its_length_was_promised(empty: Service) -> None:
    announced = announce(empty, b"0123456789")
    headers = {"Content-Type": "application/gzip"}
    assert empty.stranger.call("PUT", path_of(announced["url"]), iter([b"01234", b"56789"]), headers).status == 400


def test_a_type_other_than_announced_is_refused(empty: Service) -> None:
    announced = announce(empty, b"0123456789")
    headers = {**announced["headers"], "Content-Type": "image/jpeg"}
    assert empty.client.put(announced["url"], b"0123456789", headers).status == 400


def test_bytes_are_put_once_also_when_they_were_used(empty: Service) -> None:
    announced = announce(empty, b"0123456789")
    assert empty.client.put(announced["url"], b"0123456789", announced["headers"]).status == 200
    assert empty.client.put(announced["url"], b"0123456789", announced["headers"]).status == 412
    assert empty.client.post("/models", {"upload": announced["id"]}).problem == "invalid-artifact"
    assert empty.client.put(announced["url"], b"0123456789", announced["headers"]).status == 412


def test_bytes_that_come_too_late_are_refused(empty: Service) -> None:
    an_hour_ago = replace(empty.services.uploads, clock=lambda: time.time() - 3600)
    _, target = an_hour_ago.announce("environment", 10, TEN_BYTES["sha256"], "image/jpeg")
    assert empty.client.put(target.url, b"0123456789", target.headers).status == 403


def test_an_upload_of_yesterday_is_unknown(empty: Service) -> None:
    two_days_ago = replace(empty.services.uploads, clock=lambda: time.time() - 48 * 3600)
    upload_, _ = two_days_ago.announce("environment", 10, TEN_BYTES["sha256"], "image/jpeg")
    assert empty.client.post("/models", {"upload": upload_.id}).problem == "unknown-upload"


def test_an_upload_is_used_once(empty: Service, archives: Archives) -> None:
    used = upload(empty.client, archives["classify"].read_bytes())
    assert empty.client.post("/models", {"upload": used}).status == 201
    again = empty.client.post("/models", {"upload": used})
    assert again.status in (404, 409)
    assert again.problem in ("unknown-upload", "upload-used")


def test_two_who_use_one_upload_at_once_get_one_model(empty: Service, archives: Archives) -> None:
    used = upload(empty.client, archives["classify"].read_bytes())
    with ThreadPoolExecutor(4) as pool:
        statuses = [
            each.status for each in pool.map(lambda _: empty.client.post("/models", {"upload": used}), range(4))
        ]
    assert sorted(statuses)[0] == 201
    assert all(status in (404, 409) for status in sorted(statuses)[1:])


def test_an_upload_belongs_to_the_key_that_announced_it(empty: Service, archives: Archives) -> None:
    other = empty.client.with_key(empty.key("inference", "admin"))
    used = upload(other, archives["classify"].read_bytes())
    assert empty.client.post("/models", {"upload": used}).problem == "unknown-upload"
    assert other.post("/models", {"upload": used}).status == 201


def test_an_uploaded_photo_is_classified_and_used_up(serving: Service) -> None:
    photo = upload(serving.client, jpeg(plain(RED)), "image/jpeg")
    assert serving.client.post("/classify", {"upload": photo}).json()["label"] == "landfill"
    assert serving.client.post("/classify", {"upload": photo}).status in (404, 409)


def test_uploads_leave_nothing_behind(empty: Service, archives: Archives) -> None:
    register(empty.client, archives["classify"])
    assert list((empty.settings.home / "files" / "uploads").iterdir()) == []


@pytest.mark.parametrize(
    ("terms", "field"),
    [({"bytes": 0}, "bytes"), ({"bytes": 10**12}, "bytes"), ({"bytes": "many"}, "bytes"), ({"sha256": "ABC"}, "sha256"),
     ({"content_type": "text/html"}, "content_type"), ({"name": "../x"}, "name")],
)  # fmt: skip
def test_an_announcement_that_does_not_fit_names_the_field(empty: Service, terms: dict, field: str) -> None:
    answer = empty.client.post("/uploads", {**TEN_BYTES, **terms})
    assert (answer.status, answer.problem) == (422, "invalid-field")
    assert [each["field"] for each in answer.json()["errors"]] == [field]


def broken(folder: Path, **changes: object) -> Path:
    """An artifact whose manifest says something else than it should, yet is packed whole."""
    model = model_folder(folder / "model")
    document = json.loads((model / "manifest.json").read_text())
    document.update(changes)
    (model / "manifest.json").write_text(json.dumps(document))
    archive = folder / "model.tar.gz"
    pack(model, archive)
    return archive


def test_bytes_that_are_no_archive_are_no_model(empty: Service) -> None:
    used = upload(empty.client, b"0123456789")
    answer = empty.client.post("/models", {"upload": used})
    assert (answer.status, answer.problem) == (422, "invalid-artifact")


def test_a_network_that_does_not_answer_its_own_photo_is_no_model(empty: Service, tmp_path: Path) -> None:
    model = model_folder(tmp_path / "model")
    vector = json.loads((model / "selftest.json").read_text())
    vector["probabilities"] = [0.0, 0.0, 1.0]
    (model / "selftest.json").write_text(json.dumps(vector))
    document = json.loads((model / "manifest.json").read_text())
    document["files"] = describe_files(model)
    (model / "manifest.json").write_text(json.dumps(document))
    pack(model, tmp_path / "model.tar.gz")
    answer = empty.client.post("/models", {"upload": upload(empty.client, (tmp_path / "model.tar.gz").read_bytes())})
    assert (answer.status, answer.problem) == (422, "invalid-artifact")
    assert empty.client.get("/models").json()["items"] == []


def test_a_manifest_whose_input_is_not_the_networks_is_no_model(empty: Service, tmp_path: Path) -> None:
    spec = {"name": "pixels", "width": 32, "height": 32, "color_order": "RGB", "layout": "NCHW", "fit": "squash"}
    archive = broken(tmp_path, input=spec)
    answer = empty.client.post("/models", {"upload": upload(empty.client, archive.read_bytes())})
    assert (answer.status, answer.problem) == (422, "invalid-artifact")


def test_a_promoted_model_whose_artifact_is_lost_is_unavailable_not_unknown(empty: Service, archives: Archives) -> None:
    model_id = register(empty.client, archives["classify"])["id"]
    empty.client.post(f"/models/{model_id}/approve", {"override": True, "reason": "a small model of the tests"})
    shutil.rmtree(empty.settings.home / "files" / "artifacts")
    deployed = empty.client.post("/deploy", {"model": model_id}).json()
    assert deployed["state"] == "failed"
    assert deployed["reason"]
    assert empty.client.call("POST", "/classify", jpeg(plain(RED))).problem == "no-promoted-model"
    pinned = empty.client.call("POST", f"/classify?model={model_id}", jpeg(plain(RED)))
    assert (pinned.status, pinned.problem) == (503, "model-unavailable")
    assert int(pinned.headers["retry-after"]) > 0


def test_the_ledger_tells_the_whole_story_in_order(empty: Service, archives: Archives) -> None:
    promote(empty.client, archives["classify"])
    empty.key("inference")
    entries = empty.client.get("/ledger").json()["items"]
    assert [entry["action"] for entry in reversed(entries)] == [
        "model.registered",
        "model.approved",
        "deployment.started",
        "alias.flipped",
        "deployment.succeeded",
        "key.created",
    ]
    assert empty.client.get("/ledger/verify").json() == {"whole": True, "fault": None, "entries": 6}


def test_a_ledger_that_was_changed_on_the_disk_is_not_whole(empty: Service, archives: Archives) -> None:
    promote(empty.client, archives["classify"])
    connection = sqlite3.connect(empty.settings.home / "state.sqlite")
    connection.execute(
        "UPDATE records SET body = replace(body, 'waste-1', 'waste-9') WHERE partition = 'LEDGER' AND sort LIKE '%2'"
    )
    connection.commit()
    connection.close()
    verdict = empty.client.get("/ledger/verify").json()
    assert (verdict["whole"], verdict["fault"]) == (False, "Entry 2 was changed: its hash is not that of its content.")
