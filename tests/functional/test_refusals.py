"""What the service refuses: each with its own problem type, a sentence that says what to do, and the request's id."""

from __future__ import annotations

import hashlib
import json
import struct
import zlib

import pytest

from tests.device.models import RED, jpeg, plain, png
from tests.functional.client import path_of
from tests.functional.service import Service, running, settings_of

MB = 1024 * 1024


def png_header(width: int, height: int) -> bytes:
    """A PNG that says it has this size, and little else."""
    body = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", body) + _chunk(b"IDAT", zlib.compress(bytes(100))) + _chunk(b"IEND", b"")
    )


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


BAD_PHOTOS = {
    "0 bytes": (b"", 400, "empty-image"),
    "random bytes": (bytes(range(256)) * 20, 400, "not-an-image"),
    "text": (b"this is a photo, believe me", 400, "not-an-image"),
    "HTML": (b"<!doctype html><title>404</title>", 400, "not-an-image"),
    "a GIF": (b"GIF89a" + bytes(50), 415, "unsupported-image"),
    "a PDF": (b"%PDF-1.7\n", 415, "unsupported-image"),
    "a truncated JPEG": (jpeg(plain(RED, (400, 300)))[:700], 400, "truncated-image"),
    "a truncated PNG": (png(plain(RED, (400, 300)))[:60], 400, "truncated-image"),
    "a JPEG of 2 bytes": (b"\xff\xd8", 400, "truncated-image"),
    "60,000 x 60,000": (png_header(60_000, 60_000), 413, "image-too-large"),
    "8 x 8": (png(plain(RED, (8, 8))), 422, "image-too-small"),
}


@pytest.mark.parametrize("name", BAD_PHOTOS)
@pytest.mark.parametrize("task", ["classify", "count", "detect"])
def test_a_bad_photo_has_its_own_problem_type(serving: Service, task: str, name: str) -> None:
    body, status, problem = BAD_PHOTOS[name]
    answer = serving.client.call("POST", f"/{task}", body, {"Content-Type": "image/jpeg"})
    assert (answer.status, answer.problem) == (status, problem)


def test_the_service_goes_on_after_every_bad_photo(serving: Service) -> None:
    for body, *_ in BAD_PHOTOS.values():
        serving.client.call("POST", "/classify", body)
    assert serving.client.call("POST", "/classify", jpeg(plain(RED))).json()["label"] == "landfill"


@pytest.mark.parametrize("chunked", [False, True], ids=["with its length", "chunked"])
def test_thirty_megabytes_are_too_many_and_the_upload_route_is_named(serving: Service, chunked: bool) -> None:
    body = iter([bytes(MB)] * 30) if chunked else bytes(30 * MB)
    answer = serving.client.call("POST", "/classify", body)
    assert (answer.status, answer.problem) == (413, "payload-too-large")
    assert answer.json()["upload"] == "/uploads"


def test_a_task_without_a_model_says_how_to_promote_one(empty: Service) -> None:
    answer = empty.client.call("POST", "/classify", jpeg(plain(RED)))
    assert (answer.status, answer.problem) == (404, "no-promoted-model")
    assert "POST /deploy" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"{", "malformed-body"),
        (b"\xff\xfe", "malformed-body"),
        (b'{"name": NaN}', "malformed-body"),
        (b"[" * 100_000, "malformed-body"),
        (b'{"name": "x", "scopes": ["inference"]', "malformed-body"),
        (b"", "invalid-field"),
        (b"[]", "invalid-field"),
        (b"null", "invalid-field"),
        (b'"text"', "invalid-field"),
        (b"{}", "invalid-field"),
        (b'{"name": "x", "scopes": []}', "invalid-field"),
        (b'{"name": "", "scopes": ["inference"]}', "invalid-field"),
        (b'{"name": "x", "scopes": ["root"]}', "invalid-field"),
        (b'{"name": 7, "scopes": ["inference"]}', "invalid-field"),
        (b'{"name": "x", "scopes": ["inference"], "colour": "red"}', "invalid-field"),
    ],
)
def test_a_body_that_does_not_fit_is_refused_by_name(serving: Service, body: bytes, problem: str) -> None:
    answer = serving.client.call("POST", "/keys", body)
    assert answer.problem == problem
    assert answer.status == {"malformed-body": 400, "invalid-field": 422}[problem]


def test_an_unknown_field_is_named(serving: Service) -> None:
    answer = serving.client.post("/keys", {"name": "x", "scopes": ["inference"], "colour": "red"})
    assert [each["field"] for each in answer.json()["errors"]] == ["colour"]


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=201", "limit=-1", "limit=x", "limit=", "limit=²", "cursor=x", "cursor=W10"]
)
def test_a_query_that_does_not_fit_is_refused(serving: Service, query: str) -> None:
    answer = serving.client.call("GET", "/models?" + query.replace("²", "%C2%B2"))
    assert (answer.status, answer.problem) == (400, "invalid-query")


def test_a_cursor_of_another_list_is_refused(serving: Service) -> None:
    cursor = serving.client.get("/ledger?limit=1").json()["next"]
    answer = serving.client.get(f"/models?cursor={cursor}")
    assert (answer.status, answer.problem) == (400, "invalid-query")


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("/nowhere", "unknown-path"),
        ("/classify/x", "unknown-path"),
        ("/files", "unknown-path"),
        ("/models/none", "unknown-model"),
        ("/models/..%2f..%2fetc", "unknown-model"),
        ("/models/%00", "unknown-model"),
        ("/models/" + "x" * 5000, "unknown-model"),
        ("/deploy/none", "unknown-deployment"),
        ("/%ff%fe", "unknown-path"),
    ],
)
def test_what_does_not_exist_is_a_problem_too(serving: Service, path: str, problem: str) -> None:
    answer = serving.client.get(path)
    assert (answer.status, answer.problem) == (404, problem)


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/classify"), ("PUT", "/models"), ("DELETE", "/"), ("PATCH", "/keys")]
)
def test_a_method_that_is_not_there_names_those_that_are(serving: Service, method: str, path: str) -> None:
    answer = serving.client.call(method, path)
    assert (answer.status, answer.problem) == (405, "method-not-allowed")
    assert "OPTIONS" in answer.headers["allow"]
    assert method not in answer.headers["allow"]


@pytest.mark.parametrize("path", ["/", "/health", "/openapi.yaml", "/models"])
def test_head_answers_like_get_without_the_body(serving: Service, path: str) -> None:
    got, asked = serving.client.get(path), serving.client.call("HEAD", path)
    assert (asked.status, asked.body) == (got.status, b"")
    assert asked.headers["content-type"] == got.headers["content-type"]


def test_options_lists_the_methods_and_needs_no_key(serving: Service) -> None:
    answer = serving.stranger.call("OPTIONS", "/keys")
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["allow"] == "GET, HEAD, OPTIONS, POST"


def test_a_configured_origin_may_call_from_a_browser(tmp_path) -> None:
    with running(settings_of(tmp_path, BINSIGHT_CORS_ORIGIN="https://app.example")) as service:
        preflight = service.stranger.call("OPTIONS", "/classify", headers={"Origin": "https://app.example"})
        assert preflight.headers["access-control-allow-origin"] == "https://app.example"
        assert "POST" in preflight.headers["access-control-allow-methods"]
        assert "authorization" in preflight.headers["access-control-allow-headers"].lower()
        refused = service.stranger.call("POST", "/classify", b"")
        assert refused.headers["access-control-allow-origin"] == "https://app.example"


def test_a_configured_origin_may_send_its_upload_from_a_browser(tmp_path) -> None:
    photo = jpeg(plain(RED))
    terms = {"bytes": len(photo), "sha256": hashlib.sha256(photo).hexdigest(), "content_type": "image/jpeg"}
    with running(settings_of(tmp_path, BINSIGHT_CORS_ORIGIN="https://app.example")) as service:
        target = service.client.post("/uploads", terms).json()
        preflight = service.stranger.call("OPTIONS", path_of(target["url"]), headers={"Origin": "https://app.example"})
        refused = service.stranger.put(target["url"], bytes(len(photo)), target["headers"])
        stored = service.stranger.put(target["url"], photo, target["headers"])
    assert (preflight.status, preflight.body) == (204, b"")
    assert "PUT" in preflight.headers["access-control-allow-methods"]
    allowed = preflight.headers["access-control-allow-headers"].lower()
    assert all(name in allowed for name in ("content-type", "if-none-match"))
    assert (refused.status, stored.status) == (400, 200)
    for answer in (preflight, refused, stored):
        assert answer.headers["access-control-allow-origin"] == "https://app.example"


def test_a_files_address_says_what_it_takes(serving: Service) -> None:
    asked, refused = (serving.stranger.call(method, "/files/uploads/x") for method in ("OPTIONS", "POST"))
    assert (asked.status, refused.status) == (204, 405)
    assert asked.headers["allow"] == refused.headers["allow"] == "GET, HEAD, OPTIONS, PUT"
    assert not [name for name in asked.headers if name.startswith("access-control")]


def test_without_an_origin_no_other_site_may_read_answers(serving: Service) -> None:
    answer = serving.stranger.call("OPTIONS", "/classify", headers={"Origin": "https://evil.example"})
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_a_plain_request_id_comes_back_everywhere(serving: Service) -> None:
    answer = serving.client.call("GET", "/models/none", headers={"X-Request-Id": "mine-1"})
    assert answer.headers["x-request-id"] == answer.json()["request_id"] == "mine-1"


@pytest.mark.parametrize("given", ["a b", "x" * 65, "<script>", "é"])
def test_a_strange_request_id_is_replaced(serving: Service, given: str) -> None:
    answer = serving.client.call("GET", "/models/none", headers={"X-Request-Id": given})
    assert answer.headers["x-request-id"] == answer.json()["request_id"] != given


def test_problems_are_strict_json_with_the_five_standard_members(serving: Service) -> None:
    document = json.loads(serving.client.get("/models/none").body)
    assert document.keys() >= {"type", "title", "status", "detail", "request_id"}


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/uploads", {"bytes": True, "sha256": "0" * 64, "content_type": "image/jpeg"}, "bytes"),
        ("/uploads", {"bytes": "5", "sha256": "0" * 64, "content_type": "image/jpeg"}, "bytes"),
        ("/deploy", {"model": "waste-1", "dry_run": "yes"}, "dry_run"),
        ("/fleets/kitchen/codes", {"devices": 5.0}, "devices"),
    ],
)
def test_what_only_looks_like_a_number_or_a_switch_is_refused(
    serving: Service, path: str, body: dict[str, object], field: str
) -> None:
    answer = serving.client.post(path, body)
    assert answer.status in (400, 422), answer.body
    assert any(error["field"].startswith(field) for error in answer.json()["errors"])
