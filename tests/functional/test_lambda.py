"""The app as Lambda runs it: API Gateway's proxy events in (REST API, payload 1.0), proxy responses out."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from chalicelib.api.application import BinsightApp
from chalicelib.api.problems import TYPE_PREFIX
from chalicelib.api.routes import create_app
from tests.device.models import RED, jpeg, plain
from tests.functional.service import ADMIN_KEY, Service

PHOTO = jpeg(plain(RED))


@pytest.fixture(scope="module")
def app(serving: Service) -> BinsightApp:
    return create_app(lambda: serving.services)


def gateway_event(
    method: str,
    resource: str,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
    query: dict[str, list[str]] | None = None,
    parameters: dict[str, str] | None = None,
) -> dict[str, Any]:
    """As API Gateway sends it: binary bodies in base64, null where there is nothing."""
    sent = {
        "Host": "abc123.execute-api.eu-central-1.amazonaws.com",
        "X-Forwarded-For": "203.0.113.7",
        **(headers or {}),
    }
    path = resource.format(**(parameters or {}))
    return {
        "resource": resource,
        "path": path,
        "httpMethod": method,
        "headers": sent,
        "multiValueHeaders": {name: [value] for name, value in sent.items()},
        "queryStringParameters": {name: values[-1] for name, values in query.items()} if query else None,
        "multiValueQueryStringParameters": query,
        "pathParameters": parameters,
        "stageVariables": None,
        "requestContext": {
            "resourcePath": resource,
            "httpMethod": method,
            "path": f"/dev{path}",
            "stage": "dev",
            "protocol": "HTTP/1.1",
            "requestId": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
            "identity": {"sourceIp": "203.0.113.7", "userAgent": "curl/8.9.1"},
            "apiId": "abc123",
        },
        "body": base64.b64encode(body).decode() if body is not None else None,
        "isBase64Encoded": body is not None,
    }


def authorized(**more: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {ADMIN_KEY}", **more}


@pytest.mark.parametrize("content_type", [None, "application/x-www-form-urlencoded", "image/jpeg", "image/webp"])
def test_a_photo_in_base64_is_classified(app: BinsightApp, content_type: str | None) -> None:
    headers = authorized(**({"Content-Type": content_type} if content_type else {}))
    response = app(gateway_event("POST", "/classify", PHOTO, headers), None)
    assert response["statusCode"] == 200, response
    assert json.loads(response["body"])["label"] == "landfill"
    assert not response.get("isBase64Encoded")


@pytest.mark.parametrize(("models", "status"), [(["waste-1"], 200), (["none", "waste-1"], 400)])
def test_one_query_value_counts_and_of_several_none_does(app: BinsightApp, models: list[str], status: int) -> None:
    response = app(gateway_event("POST", "/classify", PHOTO, authorized(), {"model": models}), None)
    assert response["statusCode"] == status


def test_the_gateways_request_id_is_answered(app: BinsightApp) -> None:
    response = app(gateway_event("POST", "/classify", PHOTO), None)
    assert response["statusCode"] == 401
    assert response["headers"]["X-Request-Id"] == "c6af9ac6-7b61-11e6-9a41-93e8deadbeef"


def test_a_path_parameter_reaches_its_route(app: BinsightApp) -> None:
    event = gateway_event("GET", "/models/{model_id}", headers=authorized(), parameters={"model_id": "waste-1"})
    assert json.loads(app(event, None)["body"])["id"] == "waste-1"


def test_a_body_that_is_not_the_base64_it_should_be_is_refused(app: BinsightApp) -> None:
    event = {**gateway_event("POST", "/classify", PHOTO, authorized()), "body": "abc"}
    response = app(event, None)
    assert (response["statusCode"], json.loads(response["body"])["type"]) == (400, f"{TYPE_PREFIX}malformed-body")


def test_a_text_body_reaches_a_json_route(app: BinsightApp) -> None:
    event = gateway_event("POST", "/keys", headers=authorized(**{"Content-Type": "application/json"}))
    event.update(body=json.dumps({"name": "ü", "scopes": ["inference"]}), isBase64Encoded=False)
    assert json.loads(app(event, None)["body"])["name"] == "ü"


def test_a_request_without_a_body_has_zero_bytes(app: BinsightApp) -> None:
    response = app(gateway_event("POST", "/classify", headers=authorized()), None)
    assert json.loads(response["body"])["type"] == f"{TYPE_PREFIX}empty-image"


@pytest.mark.parametrize("accept", [None, "*/*", "image/png", "application/octet-stream"])
def test_the_page_is_text_whatever_is_accepted(app: BinsightApp, accept: str | None) -> None:
    response = app(gateway_event("GET", "/", headers={"Accept": accept} if accept else {}), None)
    assert response["statusCode"] == 200
    assert response["body"].startswith("<!doctype html>")


def test_a_fault_of_ours_is_a_problem_with_the_request_id() -> None:
    def no_services() -> Any:
        raise OSError("the disk is gone")

    response = create_app(no_services)(gateway_event("GET", "/models", headers=authorized()), None)
    body = json.loads(response["body"])
    assert (response["statusCode"], body["type"]) == (500, f"{TYPE_PREFIX}internal-error")
    assert body["request_id"] == "c6af9ac6-7b61-11e6-9a41-93e8deadbeef"
    assert "disk" not in response["body"]


def test_a_test_from_the_gateways_console_has_no_headers(app: BinsightApp) -> None:
    event = {**gateway_event("POST", "/classify", PHOTO), "headers": None, "multiValueHeaders": None}
    assert app(event, None)["statusCode"] == 401
