"""Requests that are HTTP and yet not what the routes expect: each refusal says what is wrong with it, and only that."""

from __future__ import annotations

import base64
import gzip
import json
import zlib

import pytest

from tests.device.models import RED, jpeg, plain, png
from tests.functional.service import Service
from tests.functional.test_bodies import BOUNDARY, multipart, send

PHOTO = jpeg(plain(RED))
JSON = json.dumps({"image": base64.b64encode(PHOTO).decode()}).encode()


def part(header: bytes, data: bytes = PHOTO) -> bytes:
    return f"--{BOUNDARY}\r\n".encode() + header + b"\r\n\r\n" + data + b"\r\n" + f"--{BOUNDARY}--\r\n".encode()


@pytest.mark.parametrize(
    ("coding", "pack"), [("gzip", gzip.compress), ("x-gzip", gzip.compress), ("deflate", zlib.compress), ("br", bytes)]
)
@pytest.mark.parametrize("path", ["/classify", "/keys"])
def test_a_packed_body_is_refused_by_the_name_of_its_packing(serving: Service, path: str, coding: str, pack) -> None:
    headers = {"Content-Encoding": coding, "Content-Type": "application/json"}
    answer = serving.client.call("POST", path, pack(JSON), headers)
    assert (answer.status, answer.problem) == (415, "unsupported-media-type")
    assert coding in answer.json()["detail"]


@pytest.mark.parametrize("coding", ["identity", "", "utf-8"])
def test_a_coding_that_packs_nothing_changes_nothing(serving: Service, coding: str) -> None:
    answer = serving.client.call("POST", "/classify", PHOTO, {"Content-Encoding": coding})
    assert (answer.status, answer.json()["label"]) == (200, "landfill")


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (b'Content-Disposition: form-data; name="p"; filename="' + b"a" * 100_000 + b'"', "header"),
        (b'Content-Disposition: form-data; name="p"' + b"\r\nX: y" * 100, "header"),
        (b'Content-Disposition: form-data; name="p"; filename="caf\xe9.jpg"', "UTF-8"),
    ],
    ids=["a long name", "many headers", "a name in Latin-1"],
)
def test_a_part_whose_headers_cannot_be_read_is_not_said_to_be_one_too_many(
    serving: Service, header: bytes, words: str
) -> None:
    answer = send(serving, part(header))
    assert (answer.status, answer.problem) == (400, "malformed-body")
    assert words in answer.json()["detail"]
    assert "16 photos" not in answer.json()["detail"]
    assert "Error(" not in answer.json()["detail"]


def test_names_come_back_as_they_were_sent(serving: Service) -> None:
    names = ("a\x1b[31m.png", "\u202egnp.exe", "写真.png", "<script>", "x" * 2000)
    answer = send(serving, multipart(*((name, png(plain(RED))) for name in names)))
    assert [result["name"] for result in answer.json()["results"]] == list(names)
    assert answer.body.isascii()


@pytest.mark.parametrize(
    "query", ["model=waste-1&model=waste-2", "model=&model=", "expected=1&expected=2", "reference=a&reference=b"]
)
def test_a_parameter_that_stands_there_twice_is_ambiguous(serving: Service, query: str) -> None:
    answer = serving.client.call("POST", f"/count?{query}", png(plain((51, 51, 51))))
    assert (answer.status, answer.problem) == (400, "invalid-query")
    assert query.partition("=")[0] in answer.json()["detail"]


@pytest.mark.parametrize("model", ["", "%00", "%ff", "a%0d%0ab", "..%2f..", "%F0%9F%98%80", "m" * 9000])
def test_a_model_id_that_is_none_never_reaches_the_store(serving: Service, model: str) -> None:
    answer = serving.client.call("POST", f"/classify?model={model}", PHOTO)
    assert (answer.status, answer.problem) == (404, "unknown-model")
    assert len(answer.body) < 500


def test_a_path_that_is_not_there_is_not_repeated_at_length(serving: Service) -> None:
    answer = serving.client.get("/" + "a" * 20_000)
    assert (answer.status, answer.problem) == (404, "unknown-path")
    assert len(answer.body) < 600
