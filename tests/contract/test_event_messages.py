"""The contract's examples of events and frames, posted by a camera, and what the service answers to them."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from chalicelib.api import event_schemas
from chalicelib.api.schemas import Body
from device.sequences import Range
from tests.contract.contract import CONTRACT, faults, operation, schema_of
from tests.functional.client import Answer, Client
from tests.functional.service import Service

PROMISED = {
    "NewEvents": event_schemas.NewEvents,
    "NewEvent": event_schemas.CameraEventBody,
    "NewFrame": event_schemas.NewFrame,
}


def example(path: str) -> Any:
    content = operation("POST", path).body["requestBody"]["content"]["application/json"]
    return next(iter(content["examples"].values()))["value"]


@pytest.fixture
def camera(empty: Service) -> Client:
    key = empty.client.post("/devices", {"id": "kitchen-1", "fleet": "kitchen"}).json()["key"]
    return empty.client.with_key(key)


def check(answer: Answer, method: str, path: str) -> None:
    schema = operation(method, path).answer_schema(answer.status, answer.headers["content-type"].partition(";")[0])
    assert faults(answer.json(), schema, strict=True) == []


def test_a_batch_is_answered_as_promised(empty: Service, camera: Client) -> None:
    answer = camera.post("/events", example("/events"))
    check(answer, "POST", "/events")
    assert answer.json()["results"] == [{"sequence": 5, "status": "stored", "reason": ""}]
    listed = empty.client.get("/events?device=kitchen-1")
    check(listed, "GET", "/events")
    assert len(listed.json()["items"]) == 1


def test_a_frame_is_answered_as_promised(empty: Service, camera: Client) -> None:
    check(camera.post("/frames", example("/frames")), "POST", "/frames")
    listed = empty.client.get("/frames?device=kitchen-1")
    check(listed, "GET", "/frames")
    assert len(listed.json()["items"]) == 1


def test_a_refused_batch_is_a_problem_as_promised(camera: Client) -> None:
    check(camera.post("/events", {"boot": "short"}), "POST", "/events")


@pytest.mark.parametrize("name", PROMISED)
def test_the_bodies_that_the_routes_read_are_those_of_the_contract(name: str) -> None:
    read: type[Body] = PROMISED[name]
    schema, promised = read.model_json_schema(), CONTRACT["components"]["schemas"][name]
    assert promised["properties"].keys() == schema["properties"].keys()
    assert sorted(promised["required"]) == sorted(schema.get("required", []))


def test_what_the_cameras_code_sends_fits(camera: Client) -> None:
    dropped: list[Range] = [(1, 2)]
    body = {
        "boot": "b" * 32,
        "events": [
            {
                "sequence": 3,
                "captured_at_s": 1.5,
                "model": "0" * 64,
                "task": "count",
                "result": {"count": 2, "label": "2", "unknown": False},
                "reference": "bin-7",
                "expected": 3,
                "thumbnail": base64.b64encode(b"\xff\xd8").decode(),
            }
        ],
        "dropped": [list(each) for each in dropped],
        "sent_at_s": 2.5,
    }
    assert faults(body, schema_of("NewEvents"), strict=True) == []
    assert camera.post("/events", body).status == 200
