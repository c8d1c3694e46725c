"""Promotions, fleets and cameras against openapi.yaml: every answer of one whole story is as promised."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from chalicelib.api import deploy_schemas, device_schemas
from tests.contract.contract import CONTRACT, operation
from tests.contract.test_openapi_answers import DECISION, Checked
from tests.functional.service import Service, register

BODIES = [
    deploy_schemas.NewPromotion,
    deploy_schemas.Stopping,
    device_schemas.NewDevice,
    device_schemas.DeviceChange,
    device_schemas.FleetChange,
    device_schemas.NewCode,
    device_schemas.Report,
]


def example(method: str, path: str, name: str) -> Any:
    return operation(method, path).body["requestBody"]["content"]["application/json"]["examples"][name]["value"]


@pytest.mark.parametrize("body", BODIES, ids=lambda body: body.__name__)
def test_the_bodies_that_routes_read_are_those_of_the_contract(body: type[BaseModel]) -> None:
    read, promised = body.model_json_schema(), CONTRACT["components"]["schemas"][body.__name__]
    assert promised["properties"].keys() == read["properties"].keys()
    assert sorted(promised.get("required", [])) == sorted(read.get("required", []))
    assert promised["additionalProperties"] is False


def test_every_answer_of_a_promotion_to_a_camera_is_as_promised(empty: Service, archives: dict[str, Path]) -> None:
    admin = Checked(empty.client)
    model = register(empty.client, archives["classify"])["id"]
    admin.post(f"/models/{model}/approve", DECISION)
    made = admin.post("/devices", {**example("POST", "/devices", "named"), "engine": "onnxruntime"})
    assert made.status == 201
    code = admin.post("/fleets/kitchen/codes", example("POST", "/fleets/{fleet}/codes", "batch")).json()["code"]
    coded = Checked(empty.client.with_key(code)).post("/devices", example("POST", "/devices", "coded"))
    assert (coded.status, coded.json()["fleet"]) == (201, "kitchen")
    assert _patch(admin, "/fleets/kitchen", {"task": "classify"}) == 200
    assert _patch(admin, "/fleets/kitchen", example("PATCH", "/fleets/{fleet}", "nights")) == 200
    assert _patch(admin, "/fleets/kitchen", {"update_window": None}) == 200
    for name in ("try", "fleet", "careful"):
        answer = admin.post("/deploy", {**example("POST", "/deploy", name), "model": model})
        assert answer.status == (200 if name == "try" else 201), answer.body
    camera = Checked(empty.client.with_key(made.json()["key"]))
    heartbeat = example("POST", "/devices/{device_id}/report", "heartbeat")
    assert camera.post("/devices/kitchen-1/report", heartbeat).status == 200
    assert camera.call("GET", f"/devices/kitchen-1/target?boot={heartbeat['boot']}").status == 200
    assert camera.call("GET", "/devices/kitchen-1/artifact").status in (200, 404)
    assert camera.call("GET", "/devices/kitchen-1/golden/classify-1-07").status == 200
    proof = {**example("POST", "/devices/{device_id}/report", "proof"), "deployment": "another"}
    assert camera.post("/devices/kitchen-1/report", proof).status in (200, 409)
    deployment = admin.call("GET", "/deploy?limit=1").json()["items"][0]["id"]
    for path in ("", "/devices", "/devices?outcome=failed"):
        assert admin.call("GET", f"/deploy/{deployment}{path}").status == 200
    for path in ("pause", "resume"):
        assert admin.post(f"/deploy/{deployment}/{path}", {}).status == 200
    aborted = admin.post(f"/deploy/{deployment}/abort", example("POST", "/deploy/{deployment_id}/abort", "reason"))
    assert aborted.status == 200
    assert admin.call("GET", "/deploy?at=2026-11-20T12:00:00Z").status == 200
    assert admin.call("GET", "/deploy?at=1").json()["live"]["endpoint:classify"] is None
    for path in ("/devices/kitchen-1", "/devices?fleet=kitchen", "/fleets", "/fleets/kitchen"):
        assert admin.call("GET", path).status == 200
    pin = example("PATCH", "/devices/{device_id}", "pin")
    assert _patch(admin, "/devices/kitchen-1", {**pin, "pinned": model}) == 200
    assert admin.call("GET", "/devices/kitchen-1").json()["target"]["direction"] == "pinned"
    assert _patch(admin, "/devices/kitchen-1", example("PATCH", "/devices/{device_id}", "move")) == 200
    assert admin.post("/devices/kitchen-1/rotate", {}).status == 200
    assert admin.call("DELETE", "/devices/kitchen-1").status == 204


def _patch(client: Checked, path: str, document: Any) -> int:
    return client.call("PATCH", path, json.dumps(document).encode(), {"Content-Type": "application/json"}).status
