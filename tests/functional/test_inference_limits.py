"""How much fits into a request, and the way for what does not: uploads, batches, rates."""

from __future__ import annotations

import base64
import hashlib
import json
import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from chalicelib.adapters.embedded.working_memory import WORK_BYTES, WorkingMemory
from chalicelib.bootstrap import embedded_services
from tests.device.models import BLUE, GREEN, RED, banknotes, jpeg, plain, png
from tests.functional.conftest import Archives
from tests.functional.service import Service, promote, running, settings_of, upload
from tests.functional.test_bodies import multipart, send

LIMIT_BYTES = 60_000


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory, archives: Archives) -> Iterator[Service]:
    """A service that takes photos of 60 KB and no more, and six requests a minute from a key."""
    home = tmp_path_factory.mktemp("narrow")
    limits = {"BINSIGHT_MAX_BODY_BYTES": str(LIMIT_BYTES), "BINSIGHT_RATE_PER_S": "0.1"}
    with running(settings_of(home, **limits)) as service:
        promote(service.client, archives["classify"])
        yield service


def photo_of(size: int) -> bytes:
    """A JPEG of exactly so many bytes: what follows the picture's end belongs to no picture."""
    photo = jpeg(plain(GREEN, (320, 240)))
    return photo + bytes(size - len(photo))


@pytest.mark.parametrize("wrapping", ["raw", "base64"])
def test_the_limit_is_on_the_photos_own_bytes_however_it_is_wrapped(narrow: Service, wrapping: str) -> None:
    for size, status in ((LIMIT_BYTES, 200), (LIMIT_BYTES + 1, 413)):
        photo = photo_of(size)
        if wrapping == "raw":
            answer = narrow.client.call("POST", "/classify", photo)
        else:
            answer = narrow.client.post("/classify", {"image": base64.b64encode(photo).decode()})
        assert answer.status == status, answer.body
    assert answer.problem == "payload-too-large"
    assert (answer.json()["upload"], answer.json()["limit_bytes"]) == ("/uploads", LIMIT_BYTES)


def test_what_does_not_fit_into_a_request_goes_by_an_upload(narrow: Service) -> None:
    photo = photo_of(4 * LIMIT_BYTES)
    assert narrow.client.call("POST", "/classify", photo).json()["upload"] == "/uploads"
    answer = narrow.client.post("/classify", {"upload": upload(narrow.client, photo, "image/jpeg")})
    assert (answer.status, answer.json()["label"]) == (200, "compost")


def test_a_json_body_of_more_than_base64_needs_is_not_read(narrow: Service) -> None:
    answer = narrow.client.post("/classify", {"image": "A" * (2 * LIMIT_BYTES)})
    assert (answer.status, answer.problem) == (413, "payload-too-large")


def test_an_upload_is_used_by_one_of_many_who_ask_at_once(serving: Service) -> None:
    photo = upload(serving.client, jpeg(plain(BLUE)), "image/jpeg")
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: serving.client.post("/classify", {"upload": photo}), range(6)))
    assert sorted(answer.status for answer in answers)[:2] in ([200, 404], [200, 409])
    assert {answer.problem for answer in answers if answer.status != 200} <= {"upload-used", "unknown-upload"}


def test_an_upload_that_was_announced_and_never_sent_says_so(serving: Service) -> None:
    photo = jpeg(plain(RED))
    terms = {"bytes": len(photo), "sha256": hashlib.sha256(photo).hexdigest(), "content_type": "image/jpeg"}
    announced = serving.client.post("/uploads", terms).json()
    answer = serving.client.post("/classify", {"upload": announced["id"]})
    assert (answer.status, answer.problem) == (404, "unknown-upload")
    assert "PUT" in answer.json()["detail"]


def test_an_uploads_address_ends_with_its_time(serving: Service) -> None:
    photo = jpeg(plain(RED))
    earlier = replace(serving.services.uploads, clock=lambda: time.time() - 901)
    digest = hashlib.sha256(photo).hexdigest()
    _, target = earlier.announce("set-up", len(photo), digest, "image/jpeg")
    assert serving.client.put(target.url, photo, target.headers).status == 403


def test_an_upload_that_is_no_photo_is_refused_as_in_a_request(serving: Service) -> None:
    text = upload(serving.client, b"this is a photo, believe me", "image/jpeg")
    answer = serving.client.post("/classify", {"upload": text})
    assert (answer.status, answer.problem) == (400, "not-an-image")


@pytest.mark.parametrize("task", ["classify", "count", "detect"])
def test_every_task_answers_uploads_base64_and_forms_as_it_answers_bytes(serving: Service, task: str) -> None:
    photo = {"classify": png(plain(RED)), "count": png(plain((51, 51, 51))), "detect": png(banknotes())}[task]
    names = {"classify": "probabilities", "count": "probabilities", "detect": "detections"}
    answers = [
        serving.client.call("POST", f"/{task}", photo),
        serving.client.post(f"/{task}", {"image": base64.b64encode(photo).decode()}),
        serving.client.post(f"/{task}", {"upload": upload(serving.client, photo, "image/png")}),
        send(serving, multipart(("p.png", photo)), f"/{task}"),
    ]
    assert [answer.status for answer in answers] == [200] * 4
    assert len({json.dumps(answer.json()[names[task]]) for answer in answers}) == 1
    assert len({answer.json()["prediction_id"] for answer in answers}) == 4


def test_a_batch_says_of_each_photo_whether_its_bin_holds_what_it_should(serving: Service) -> None:
    photos = ("a.png", png(plain((51, 51, 51)))), ("b.png", png(plain((102, 102, 102))))
    answer = send(serving, multipart(*photos), "/count?expected=1&reference=shelf-7")
    first, second = (each["result"] for each in answer.json()["results"])
    assert (first["expected"]["matches"], second["expected"]["matches"]) == (True, False)
    assert first["reference"] == second["reference"] == "shelf-7"
    assert first["prediction_id"] != second["prediction_id"]


def test_a_parameter_that_is_misspelt_is_named(serving: Service) -> None:
    answer = serving.client.call("POST", "/count?expcted=3", png(plain((51, 51, 51))))
    assert (answer.status, answer.problem) == (400, "invalid-query")
    assert "expcted" in answer.json()["detail"]


def test_a_key_over_its_rate_is_told_in_seconds_when_to_come_back(narrow: Service) -> None:
    hurried = narrow.client.with_key(narrow.key("inference"))
    answers = [hurried.call("POST", "/classify", photo_of(LIMIT_BYTES)) for _ in range(6)]
    (refused, *_) = [answer for answer in answers if answer.status == 429]
    assert refused.problem == "rate-limited"
    assert int(refused.headers["retry-after"]) >= 1


@pytest.mark.parametrize("path", ["/classify", "/count", "/detect"])
def test_options_and_other_methods_say_what_the_route_takes(serving: Service, path: str) -> None:
    assert serving.stranger.call("OPTIONS", path).headers["allow"] == "OPTIONS, POST"
    for method in ("GET", "HEAD", "PUT"):
        answer = serving.client.call(method, path)
        assert (answer.status, answer.headers["allow"]) == (405, "OPTIONS, POST")


def test_the_first_answer_of_a_model_is_cold_and_no_other(tmp_path: Path, archives: Archives) -> None:
    settings = settings_of(tmp_path)
    with running(settings) as service:
        promote(service.client, archives["classify"])
    with running(settings) as again:
        cold = [again.client.call("POST", "/classify", png(plain(RED))).json()["cold"] for _ in range(3)]
    assert cold == [True, False, False]


def test_a_photo_far_larger_than_the_input_is_answered_as_a_small_one(serving: Service) -> None:
    small = Image.frombytes("RGB", (40, 30), random.Random(1).randbytes(40 * 30 * 3)).resize((400, 300))
    large = small.resize((4000, 3000), Image.Resampling.BICUBIC)
    answers = [serving.client.call("POST", "/classify", jpeg(each, quality=90)).json() for each in (small, large)]
    assert answers[0]["probabilities"] == pytest.approx(answers[1]["probabilities"], abs=0.02)


@pytest.fixture
def full(tmp_path: Path, archives: Archives) -> Iterator[Service]:
    """A service that has no memory left for large requests, and says so at once."""
    settings = settings_of(tmp_path)
    services = replace(embedded_services(settings), working_memory=WorkingMemory(wait_s=0.05))
    with running(settings, services) as service:
        promote(service.client, archives["classify"])
        with services.working_memory(WORK_BYTES):
            yield service


@pytest.mark.parametrize("wrapping", ["raw", "base64", "form"])
def test_large_requests_that_find_no_memory_are_told_when_to_come_back_and_small_ones_go_on(
    full: Service, wrapping: str
) -> None:
    for size, status in ((100_000, 503), (30_000, 200)):
        photo = photo_of(size)
        if wrapping == "raw":
            answer = full.client.call("POST", "/classify", photo)
        elif wrapping == "base64":
            answer = full.client.post("/classify", {"image": base64.b64encode(photo).decode()})
        else:
            answer = send(full, multipart(("photo.jpg", photo)))
        assert answer.status == status, answer.body
        if status == 503:
            assert answer.problem == "server-busy"
            assert int(answer.headers["retry-after"]) >= 1
    assert full.stranger.get("/health").status == 200
    assert full.stranger.call("POST", "/classify", photo_of(100_000)).problem == "missing-key"


def test_an_upload_that_finds_no_memory_is_not_used_up(full: Service) -> None:
    photo = upload(full.client, photo_of(1_000_000), "image/jpeg")
    for _ in range(2):
        answer = full.client.post("/classify", {"upload": photo})
        assert (answer.status, answer.problem) == (503, "server-busy")


def test_a_body_that_names_an_upload_is_small(serving: Service) -> None:
    assert serving.client.post("/classify", {"upload": "a" * 64}).problem == "unknown-upload"
    padded = json.dumps({"upload": "a" * 64}).encode() + b" " * 5000
    answer = serving.client.call("POST", "/classify", padded, {"Content-Type": "application/json"})
    assert (answer.status, answer.problem) == (413, "payload-too-large")


@pytest.mark.parametrize("filling", ["[1,", "[],", '{"a":1},'])
def test_json_of_more_values_than_anything_needs_is_not_read(serving: Service, filling: str) -> None:
    body = b'{"image":[' + filling.encode() * 100_001
    answer = serving.client.call("POST", "/classify", body, {"Content-Type": "application/json"})
    assert (answer.status, answer.problem) == (400, "malformed-body")
    assert "100,000 values" in answer.json()["detail"]


def test_an_upload_that_no_model_could_answer_is_there_for_another_try(tmp_path: Path, archives: Archives) -> None:
    settings = settings_of(tmp_path / "home")
    with running(settings) as service:
        promote(service.client, archives["classify"])
    (artifact,) = (tmp_path / "home").rglob("*.tar.gz")
    (tmp_path / "home" / "cache").rename(tmp_path / "cache")
    away = artifact.rename(tmp_path / "away.tar.gz")
    with running(settings) as service:
        photo = upload(service.client, jpeg(plain(BLUE)), "image/jpeg")
        refused = service.client.post("/classify", {"upload": photo})
        away.rename(artifact)
        answered = service.client.post("/classify", {"upload": photo})
        again = service.client.post("/classify", {"upload": photo})
    assert (refused.status, refused.problem) == (503, "model-unavailable")
    assert answered.status == 200
    assert (again.status, again.problem) == (409, "upload-used")
