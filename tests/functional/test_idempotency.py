"""A request that comes twice takes effect once, also when the first try crashed between effect and answer."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from chalicelib.bootstrap import embedded_services
from chalicelib.services.idempotency import Idempotency
from chalicelib.services.request_scope import RequestScope
from tests.functional.client import Answer
from tests.functional.service import Service, register, running, settings_of, upload

Archives = dict[str, Path]
KEY = {"name": "phone", "scopes": ["inference"]}
DECISION = {"override": True, "reason": "a small model of the tests"}


class KilledError(BaseException):
    """The process ends here, as far as the request can tell."""


class Crashing(Idempotency):
    """Dies after the effect, before the answer is kept or sent."""

    def answer(self, scope: RequestScope, answer: Mapping[str, Any] | None) -> None:
        raise KilledError


def post(service: Service, path: str, body: Any, key: str = "k-1") -> Answer:
    headers = {"Content-Type": "application/json", "Idempotency-Key": key}
    return service.client.call("POST", path, json.dumps(body).encode(), headers)


def event(path: str, resource: str, body: Any, parameters: dict[str, str], key: str = "k-1") -> dict[str, Any]:
    context = {"httpMethod": "POST", "resourcePath": resource, "path": path, "requestId": "r-1"}
    headers = {"authorization": "Bearer an-admin-key-of-the-tests", "idempotency-key": key}
    return {
        "requestContext": context,
        "path": path,
        "headers": {**headers, "content-type": "application/json"},
        "pathParameters": parameters,
        "multiValueQueryStringParameters": None,
        "stageVariables": {},
        "body": json.dumps(body),
        "isBase64Encoded": False,
    }


@dataclass(frozen=True)
class Home:
    """Where a service has crashed, and another one starts."""

    path: Path

    def crash(self, path: str, resource: str, body: Any, parameters: dict[str, str] | None = None) -> None:
        from chalicelib.api.routes import create_app

        services = embedded_services(settings_of(self.path))
        broken = Crashing(**vars(services.idempotency))
        app = create_app(lambda: replace(services, idempotency=broken))
        with pytest.raises(KilledError):
            app(event(path, resource, body, parameters or {}), None)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def test_a_model_is_registered_once_and_answered_for_twice(empty: Service, archives: Archives) -> None:
    body = {"upload": upload(empty.client, archives["classify"].read_bytes())}
    first, second = post(empty, "/models", body), post(empty, "/models", body)
    assert (first.status, second.status) == (201, 201)
    assert first.json() == second.json()
    assert "idempotency-replayed" not in first.headers
    assert second.headers["idempotency-replayed"] == "true"
    assert second.headers["location"] == "/models/waste-1"
    assert len(empty.client.get("/models").json()["items"]) == 1


def test_without_the_key_the_same_request_is_two(empty: Service) -> None:
    first, second = (empty.client.post("/keys", KEY).json() for _ in range(2))
    assert first["id"] != second["id"]


@pytest.mark.parametrize("path", ["/keys", "/uploads", "/models/waste-1/reject", "/deploy"])
def test_another_body_under_the_same_key_is_refused(empty: Service, archives: Archives, path: str) -> None:
    register(empty.client, archives["classify"])
    empty.client.post("/models/waste-1/approve", DECISION)
    terms = {"bytes": 1, "sha256": "0" * 64, "content_type": "image/png"}
    bodies = {"/keys": KEY, "/uploads": terms, "/deploy": {"model": "waste-1"}}
    assert post(empty, path, bodies.get(path, {"reason": "one"})).status < 300
    refused = post(empty, path, {"reason": "another"})
    assert (refused.status, refused.problem.rpartition(":")[2]) == (422, "idempotency-key-reused")


def test_the_same_key_on_another_route_another_model_or_by_another_caller_is_another_request(
    empty: Service, archives: Archives
) -> None:
    for _ in range(2):
        register(empty.client, archives["classify"])
    assert post(empty, "/models/waste-1/reject", {}).json()["id"] == "waste-1"
    assert post(empty, "/models/waste-2/reject", {}).json()["id"] == "waste-2"
    assert post(empty, "/models/waste-2/retire", {}).json()["state"] == "retired"
    other = Service(empty.settings, empty.services, empty.client.with_key(empty.key("admin")))
    assert post(empty, "/keys", KEY).json()["id"] != post(other, "/keys", KEY).json()["id"]


def test_a_key_is_shown_once_and_stored_nowhere(empty: Service) -> None:
    first, second = post(empty, "/keys", KEY).json(), post(empty, "/keys", KEY).json()
    assert (second["id"], second["key"]) == (first["id"], None)
    assert "POST /keys" in second["detail"]
    stored = b"".join(path.read_bytes() for path in empty.settings.home.glob("state.sqlite*"))
    assert first["key"].encode() not in stored
    assert first["key"].rpartition("_")[2].encode() not in stored


def test_an_upload_is_announced_once_with_a_url_that_works(empty: Service) -> None:
    terms = {"bytes": 1, "sha256": "0" * 64, "content_type": "image/png"}
    first, second = post(empty, "/uploads", terms).json(), post(empty, "/uploads", terms).json()
    assert second["id"] == first["id"]
    assert second["expires_at_s"] == first["expires_at_s"]


def test_a_refused_request_frees_its_key(empty: Service, archives: Archives) -> None:
    assert post(empty, "/models/waste-1/approve", DECISION).status == 404
    register(empty.client, archives["classify"])
    assert post(empty, "/models/waste-1/approve", {}).status == 409
    assert post(empty, "/models/waste-1/approve", DECISION).json()["state"] == "approved"


@pytest.mark.parametrize("key", ["", " ", "a b", "x" * 129, "\x7f", "\xe9"])
def test_a_key_that_is_not_plain_is_refused(empty: Service, key: str) -> None:
    refused = post(empty, "/keys", KEY, key)
    assert (refused.status, refused.problem.rpartition(":")[2]) == (400, "invalid-idempotency-key")


def test_of_sixteen_at_once_one_takes_effect_and_none_does_so_again(empty: Service) -> None:
    start = threading.Barrier(16)

    def send(_: int) -> Answer:
        start.wait()
        return post(empty, "/keys", KEY)

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(send, range(16)))
    assert {answer.status for answer in answers} <= {201, 200, 409}
    assert sum(answer.status == 201 for answer in answers) == 1
    refused = [answer for answer in answers if answer.status == 409]
    assert {answer.problem.rpartition(":")[2] for answer in refused} <= {"request-running"}
    assert all("retry-after" in answer.headers for answer in refused)
    assert len(empty.client.get("/keys").json()["items"]) == 1


def test_a_request_that_is_under_way_is_not_begun_again(empty: Service) -> None:
    body = json.dumps(KEY).encode()
    empty.services.idempotency.begin("environment", "POST /keys []", "k-1", body)
    refused = post(empty, "/keys", KEY)
    assert (refused.status, refused.problem.rpartition(":")[2]) == (409, "request-running")
    assert empty.client.get("/keys").json()["items"] == []


def test_after_a_crash_the_registered_model_is_found(home: Home, archives: Archives) -> None:
    with running(settings_of(home.path)) as before:
        body = {"upload": upload(before.client, archives["classify"].read_bytes())}
    home.crash("/models", "/models", body)
    with running(settings_of(home.path)) as after:
        again = post(after, "/models", body)
        assert (again.status, again.json()["id"]) == (201, "waste-1")
        assert len(after.client.get("/models").json()["items"]) == 1
        assert after.client.get("/ledger/verify").json()["entries"] == 1


def test_after_a_crash_the_approval_is_found(home: Home, archives: Archives) -> None:
    with running(settings_of(home.path)) as before:
        register(before.client, archives["classify"])
    home.crash("/models/waste-1/approve", "/models/{model_id}/approve", DECISION, {"model_id": "waste-1"})
    with running(settings_of(home.path)) as after:
        again = post(after, "/models/waste-1/approve", DECISION)
        assert (again.status, again.json()["state"]) == (200, "approved")


def test_after_a_crash_the_key_is_found_without_its_secret(home: Home) -> None:
    home.crash("/keys", "/keys", KEY)
    with running(settings_of(home.path)) as after:
        assert post(after, "/keys", KEY).json()["key"] is None
        assert len(after.client.get("/keys").json()["items"]) == 1


def test_after_a_crash_the_announced_upload_is_found(home: Home) -> None:
    terms = {"bytes": 1, "sha256": "0" * 64, "content_type": "image/png"}
    home.crash("/uploads", "/uploads", terms)
    with running(settings_of(home.path)) as after:
        assert post(after, "/uploads", terms).json()["id"] == post(after, "/uploads", terms).json()["id"]


def test_after_a_day_the_key_is_free_again(empty: Service) -> None:
    post(empty, "/keys", KEY)
    tomorrow = replace(empty.services.idempotency, clock=lambda: empty.services.ledger.clock() + 25 * 3600)
    scope = tomorrow.begin("environment", "POST /keys []", "k-1", b"another body")
    assert scope.subject is None
    assert not scope.record.body["is_answered"]
