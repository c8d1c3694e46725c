"""A photo in the other wrappings: multipart, base64 in JSON, and batches."""

from __future__ import annotations

import base64

import pytest

from tests.device.models import BLUE, GREEN, RED, jpeg, plain, png
from tests.functional.client import Answer
from tests.functional.service import Service

BOUNDARY = "a-boundary-of-the-tests"


def multipart(*photos: tuple[str, bytes]) -> bytes:
    parts = b""
    for name, photo in photos:
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="photo"; filename="{name}"\r\n'
        parts += head.encode() + b"Content-Type: application/octet-stream\r\n\r\n" + photo + b"\r\n"
    return parts + f"--{BOUNDARY}--\r\n".encode()


def send(service: Service, body: bytes, path: str = "/classify", boundary: str = BOUNDARY) -> Answer:
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    return service.client.call("POST", path, body, headers)


def test_a_form_with_one_photo_answers_as_the_photo_alone_does(serving: Service) -> None:
    photo = jpeg(plain(GREEN))
    alone = serving.client.call("POST", "/classify", photo).json()
    answer = send(serving, multipart(("photo.jpg", photo))).json()
    assert answer["probabilities"] == alone["probabilities"]


def test_a_batch_answers_each_photo_under_its_name_and_refuses_only_the_bad_ones(serving: Service) -> None:
    photos = ("red.png", png(plain(RED))), ("notes.txt", b"not a photo"), ("blue.png", png(plain(BLUE)))
    answer = send(serving, multipart(*photos))
    assert answer.status == 200
    first, second, third = answer.json()["results"]
    assert (first["name"], first["result"]["label"]) == ("red.png", "landfill")
    assert (second["name"], second["problem"]["type"]) == ("notes.txt", "urn:binsight:problem:not-an-image")
    assert (third["name"], third["result"]["label"]) == ("blue.png", "recycling")


def test_sixteen_photos_fit_into_one_request_and_seventeen_do_not(serving: Service) -> None:
    photo = png(plain(RED))
    assert len(send(serving, multipart(*[("p.png", photo)] * 16)).json()["results"]) == 16
    refused = send(serving, multipart(*[("p.png", photo)] * 17))
    assert (refused.status, refused.problem) == (413, "payload-too-large")


@pytest.mark.parametrize(
    ("body", "boundary"),
    [(b"", BOUNDARY), (b"nothing of the kind", BOUNDARY), (multipart(), BOUNDARY), (multipart(("a", b"b")), ""),
     (multipart(("a", b"b")), "another"), (multipart(("a", b"b"))[:-30], BOUNDARY)],
    ids=["empty", "no form", "no part", "no boundary", "another boundary", "broken off"],
)  # fmt: skip
def test_a_form_that_cannot_be_read_is_said_to_be_so(serving: Service, body: bytes, boundary: str) -> None:
    answer = send(serving, body, boundary=boundary)
    assert (answer.status, answer.problem) == (400, "malformed-body")


@pytest.mark.parametrize("content_type", ["application/json", "application/x-www-form-urlencoded"])
def test_base64_in_json_is_a_photo_too(serving: Service, content_type: str) -> None:
    body = b'{"image": "' + base64.b64encode(jpeg(plain(BLUE))) + b'"}'
    answer = serving.client.call("POST", "/classify", body, {"Content-Type": content_type})
    assert answer.json()["label"] == "recycling"


@pytest.mark.parametrize(
    "document",
    [{}, {"image": "not base64!"}, {"image": "", "upload": "x"}, {"image": 7}, {"photo": ""}, {"upload": "../x"}],
)
def test_a_json_body_that_holds_no_photo_is_refused(serving: Service, document: object) -> None:
    answer = serving.client.post("/classify", document)
    assert (answer.status, answer.problem) == (422, "invalid-field")


def test_an_empty_image_in_json_has_zero_bytes(serving: Service) -> None:
    assert serving.client.post("/classify", {"image": ""}).problem == "empty-image"


def test_a_count_says_whether_the_bin_holds_what_it_should(serving: Service) -> None:
    one = png(plain((51, 51, 51)))
    assert serving.client.call("POST", "/count?expected=1&reference=B7", one).json()["expected"]["matches"] is True
    answer = serving.client.call("POST", "/count?expected=3&reference=B7", one).json()
    assert (answer["expected"]["matches"], answer["reference"]) == (False, "B7")
    assert answer["expected"]["probability"] < 0.1


def test_a_count_that_was_never_trained_on_cannot_be_matched(serving: Service) -> None:
    answer = serving.client.call("POST", "/count?expected=500", png(plain((51, 51, 51)))).json()
    assert answer["expected"] == {"count": 500, "matches": None, "probability": None}


@pytest.mark.parametrize("query", ["expected=-1", "expected=two", "expected=", "expected=9999999", "reference="])
def test_an_expectation_that_makes_no_sense_is_refused(serving: Service, query: str) -> None:
    answer = serving.client.call("POST", f"/count?{query}", png(plain((51, 51, 51))))
    assert (answer.status, answer.problem) == (400, "invalid-query")


def test_only_counts_are_expected(serving: Service) -> None:
    answer = serving.client.call("POST", "/classify?expected=1", png(plain(RED)))
    assert (answer.status, answer.problem) == (400, "invalid-query")
