"""What the service really answers, held against openapi.yaml; the contract's own examples are posted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from chalice.local import RouteMatcher

from chalicelib.adapters.embedded.job_folder import JobFolders
from tests.contract.contract import CONTRACT, Operation, faults, operation, operations, resolved
from tests.device.models import RED, banknotes, jpeg, plain, png
from tests.functional.client import Answer, Client
from tests.functional.service import Service, upload
from tests.functional.test_bodies import BOUNDARY, multipart

MATCHER = RouteMatcher(list(CONTRACT["paths"]))
DECISION = {"override": True, "reason": "a small model of the tests"}
NEEDS_AN_UPLOAD = {"upload", "uploaded", "renamed"}


@dataclass(frozen=True)
class Checked:
    """A client that refuses every answer the contract does not describe."""

    client: Client

    def call(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        answer = self.client.call(method, path, body, headers)
        route = operation(method, MATCHER.match_route(path.partition("?")[0]).route)
        assert described(answer, route) == [], (method, path, answer.body[:500])
        return answer

    def post(self, path: str, document: Any) -> Answer:
        return self.call("POST", path, json.dumps(document).encode(), {"Content-Type": "application/json"})


def described(answer: Answer, route: Operation) -> list[str]:
    content_type = answer.headers.get("content-type", "").partition(";")[0]
    if not answer.body:
        return [] if str(answer.status) in route.body["responses"] else [f"{answer.status} is not in the contract"]
    schema = route.answer_schema(answer.status, content_type)
    return faults(answer.json(), schema, strict=True) if content_type.endswith("json") else []


@pytest.fixture
def checked(serving: Service) -> Checked:
    return Checked(serving.client)


@pytest.mark.parametrize("path", [each.path for each in operations() if each.method == "GET" and "{" not in each.path])
def test_every_list_and_page_is_as_promised(checked: Checked, path: str) -> None:
    assert checked.call("GET", path).status == 200


@pytest.mark.parametrize(
    "path",
    [
        "/models/waste-1",
        "/models/waste-1/artifact",
        "/models/waste-1/card",
        "/models/waste-1/card?format=html",
        "/models/waste-1/compare/bins-1",
        "/models?task=count",
        "/models?state=approved&name=waste",
        "/keys?limit=1",
    ],
)
def test_single_things_are_as_promised(checked: Checked, path: str) -> None:
    assert checked.call("GET", path).status == 200


def test_a_list_holds_what_its_own_route_promises(checked: Checked) -> None:
    for path, name in (("/models", "Model"), ("/deploy", "Deployment"), ("/ledger", "LedgerEntry"), ("/keys", "Key")):
        for item in checked.call("GET", path).json()["items"]:
            assert faults(item, {"$ref": f"#/components/schemas/{name}"}, strict=True) == []
    newest = checked.call("GET", "/deploy?limit=1").json()["items"][0]["id"]
    assert checked.call("GET", f"/deploy/{newest}").status == 200


@pytest.mark.parametrize(
    ("path", "photo"),
    [
        ("/classify", jpeg(plain(RED))),
        ("/classify", jpeg(plain((90, 90, 90)))),
        ("/classify?model=waste-1&reference=B7", png(plain(RED))),
        ("/count", png(plain((51, 51, 51)))),
        ("/count?expected=4&reference=B7", png(plain((51, 51, 51)))),
        ("/count?expected=400", png(plain((250, 250, 250)))),
        ("/detect", png(banknotes())),
        ("/detect", png(plain((128, 128, 128)))),
    ],
)
def test_answers_are_as_promised(checked: Checked, path: str, photo: bytes) -> None:
    assert checked.call("POST", path, photo).status == 200


@pytest.mark.parametrize("endpoint", ["true", '{"instance_type": "ml.m5.large", "canary": {"share": 0.1}}'])
def test_a_dry_run_is_as_promised(checked: Checked, endpoint: str) -> None:
    body = f'{{"model": "waste-1", "endpoint": {endpoint}, "dry_run": true}}'.encode()
    assert checked.call("POST", "/deploy", body).status == 200


def test_a_batch_is_as_promised(checked: Checked) -> None:
    body = multipart(("a.png", png(plain(RED))), ("b.txt", b"no photo"))
    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    assert checked.call("POST", "/classify", body, headers).status == 200


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/classify", b"", 400),
        ("POST", "/classify", b"GIF89a", 415),
        ("POST", "/classify", bytes(11 * 1024 * 1024), 413),
        ("POST", "/classify?model=none", b"", 404),
        ("POST", "/classify?model=bins-1", b"", 409),
        ("POST", "/classify", b"{}", 422),
        ("POST", "/count?expected=x", b"", 400),
        ("POST", "/models", b'{"upload": "none"}', 404),
        ("POST", "/models", b"{", 400),
        ("POST", "/models", b'{"uplaod": "x"}', 422),
        ("POST", "/deploy", b'{"model": "none"}', 404),
        ("GET", "/deploy/none", b"", 404),
        ("GET", "/models/none", b"", 404),
        ("GET", "/models?limit=0", b"", 400),
        ("POST", "/models/none/approve", b"", 404),
        ("DELETE", "/keys/none", b"", 404),
        ("POST", "/keys", bytes(11 * 1024 * 1024), 413),
    ],
)
def test_refusals_are_as_promised(checked: Checked, method: str, path: str, body: bytes, status: int) -> None:
    assert checked.call(method, path, body).status == status


@pytest.mark.parametrize(
    "each", [each for each in operations() if not each.is_public], ids=lambda each: f"{each.method} {each.path}"
)
def test_every_route_that_needs_a_key_refuses_without_one_as_promised(serving: Service, each: Operation) -> None:
    answer = serving.stranger.call(each.method, each.path.replace("{", "").replace("}", "").replace("_", "-"))
    assert answer.status == 401
    if each.method != "HEAD":
        assert described(answer, each) == []


def test_a_models_way_through_its_gates_is_as_promised(empty: Service, archives: dict[str, Path]) -> None:
    checked = Checked(empty.client)
    model = checked.post("/models", {"upload": upload(empty.client, archives["classify"].read_bytes())}).json()["id"]
    assert checked.post("/deploy", {"model": model}).status == 409
    assert checked.post(f"/models/{model}/approve", {"reason": "fine"}).json()["findings"]
    assert checked.post(f"/models/{model}/approve", {"reason": "fine", "override": True}).status == 200
    assert checked.post("/deploy", {"model": model}).status == 201
    assert checked.post(f"/models/{model}/reject", {"reason": "not so fine"}).status == 200
    assert checked.post(f"/models/{model}/retire", {}).json()["live"] == ["primary"]
    second = checked.post("/models", {"upload": upload(empty.client, archives["classify"].read_bytes())}).json()["id"]
    assert checked.post(f"/models/{second}/retire", {}).status == 200
    model = second
    assert checked.post(f"/models/{model}/approve", {}).status == 409


def posted() -> list[tuple[Operation, str, Any]]:
    found = []
    for each in operations():
        content = resolved(each.body.get("requestBody", {})).get("content", {})
        named = content.get("application/json", {}).get("examples", {})
        found += [(each, name, example["value"]) for name, example in named.items()]
    return found


def test_every_json_route_shows_an_example() -> None:
    shown = {each.path for each, _, _ in posted()}
    assert shown == {each.path for each in operations() if "requestBody" in each.body}


def posted_alone() -> list[tuple[Operation, str, Any]]:
    """But for those that need a fleet or a camera, in test_device_messages.py and test_event_messages.py."""
    return [
        (each, name, value)
        for each, name, value in posted()
        if not each.path.startswith(("/devices", "/fleets", "/deploy/"))
        and "fleet" not in value
        and each.body["x-scope"] != "device"
    ]


@pytest.mark.parametrize(
    ("each", "name", "value"), posted_alone(), ids=[f"{each.path} {name}" for each, name, _ in posted_alone()]
)
def test_the_contracts_examples_work_as_they_stand(
    empty: Service, archives: dict[str, Path], each: Operation, name: str, value: Any
) -> None:
    checked = Checked(empty.client)
    for task in ("classify", "count", "detect"):
        prepared(empty, archives[task], promoted=each.path.startswith(f"/{task}"))
    if name in NEEDS_AN_UPLOAD:
        photo = each.path.strip("/") in ("classify", "count", "detect")
        body, kind = (
            (png(plain(RED)), "image/png") if photo else (archives["classify"].read_bytes(), "application/gzip")
        )
        value = {**value, "upload": upload(empty.client, body, kind)}
    if each.path == "/models/{model_id}/stop":
        running = running_job(empty)
        assert checked.post(each.path.replace("{model_id}", running), value).status == 202
        return
    if each.path == "/deploy":
        empty.client.post("/models/waste-1/approve", DECISION)
        value = {**value, "model": "waste-1"}
    answer = checked.post(each.path.replace("{model_id}", "waste-1"), value)
    assert 200 <= answer.status < 300, answer.body


def running_job(service: Service) -> str:
    """The id of a model whose local job waits for its turn."""
    order = {"kind": "training", "definition": "waste", "task": "classify", "data": {}, "hyperparameters": {}}
    JobFolders(service.settings.home / "jobs").add("a-job-of-mine", order)
    body = {"name": "trained", "task": "classify", "training_job": "a-job-of-mine"}
    return str(service.client.post("/models", body).json()["id"])


def prepared(service: Service, archive: Path, promoted: bool) -> None:
    model = service.client.post("/models", {"upload": upload(service.client, archive.read_bytes())}).json()["id"]
    if promoted:
        service.client.post(f"/models/{model}/approve", DECISION)
        service.client.post("/deploy", {"model": model})
