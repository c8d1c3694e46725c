"""A photo over HTTP, sent in the ways that clients really send one."""

from __future__ import annotations

import gc
import hashlib
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.device.models import BLUE, GREEN, RED, banknotes, jpeg, plain, png
from tests.functional.client import Answer, Client
from tests.functional.conftest import Archives
from tests.functional.service import Service, register

THREADS = 8
PHOTOS_EACH = 25
CONTENT_TYPES = [
    None,
    "application/x-www-form-urlencoded",
    "application/octet-stream",
    "image/jpeg",
    "image/webp",
    "image/jpeg; charset=binary",
    "application/json",
    "multipart/form-data",
    "text/plain",
    "application/x-something",
    "not a media type",
]


@pytest.mark.parametrize("content_type", CONTENT_TYPES)
def test_a_photo_is_classified_under_any_content_type(serving: Service, content_type: str | None) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    answer = serving.client.call("POST", "/classify", jpeg(plain(GREEN)), headers)
    assert answer.status == 200, answer.body
    assert answer.json()["label"] == "compost"


@pytest.mark.parametrize("accept", ["*/*", "application/json", "image/png", "text/html", ""])
def test_any_accept_header_gets_json(serving: Service, accept: str) -> None:
    answer = serving.client.call("POST", "/classify", jpeg(plain(BLUE)), {"Accept": accept})
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["label"] == "recycling"


def test_an_answer_says_what_how_sure_and_which_model(serving: Service) -> None:
    answer = serving.client.call("POST", "/classify", jpeg(plain(RED))).json()
    assert answer["label"] == "landfill"
    assert answer["unknown"] is False
    assert answer["reasons"] == []
    assert answer["probabilities"].keys() == {"landfill", "compost", "recycling"}
    assert answer["confidence"] == answer["probabilities"]["landfill"] > 0.9
    assert sum(answer["probabilities"].values()) == pytest.approx(1, abs=1e-4)
    assert answer["model"].keys() == {"id", "version", "digest", "task"}
    assert answer["timings_ms"].keys() >= {"decode", "preprocess", "inference", "total"}


def test_a_doubtful_photo_still_names_the_likeliest_label_and_says_why_it_is_unknown(serving: Service) -> None:
    answer = serving.client.call("POST", "/classify", jpeg(plain((90, 92, 90)))).json()
    assert answer["unknown"] is True
    assert set(answer["reasons"]) >= {"low_confidence", "ambiguous"}
    assert answer["label"] == "compost"


def test_a_dark_photo_is_said_to_be_too_dark(serving: Service) -> None:
    answer = serving.client.call("POST", "/classify", jpeg(plain((9, 2, 2)))).json()
    assert answer["unknown"] is True
    assert "too_dark" in answer["reasons"]


def test_a_count_has_its_range(serving: Service) -> None:
    answer = serving.client.call("POST", "/count", png(plain((51, 51, 51)))).json()
    assert answer["count"] == 1
    low, high = answer["interval"]
    assert low <= 1 <= high
    assert answer["expected_value"] == pytest.approx(1, abs=0.1)


def test_a_detection_has_boxes_counts_and_the_sum(serving: Service) -> None:
    answer = serving.client.call("POST", "/detect", png(banknotes())).json()
    assert answer["counts"] == {"1000": 1, "2000": 1}
    assert answer["sum"] == 3000
    first = min(answer["detections"], key=lambda each: each["box"]["ymin"])
    assert first["box_px"] == pytest.approx({"xmin": 40, "ymin": 0, "xmax": 80, "ymax": 40}, abs=1)


def test_a_model_can_be_pinned(serving: Service) -> None:
    assert serving.client.call("POST", "/classify?model=waste-1", jpeg(plain(RED))).json()["model"]["id"] == "waste-1"


def test_a_pinned_model_that_does_not_exist_is_named(serving: Service) -> None:
    answer = serving.client.call("POST", "/classify?model=waste-999", jpeg(plain(RED)))
    assert (answer.status, answer.problem) == (404, "unknown-model")
    assert "waste-999" in answer.json()["detail"]


def test_a_pinned_model_of_another_task_is_refused(serving: Service) -> None:
    answer = serving.client.call("POST", "/classify?model=bins-1", jpeg(plain(RED)))
    assert (answer.status, answer.problem) == (409, "task-mismatch")


def test_a_pinned_model_that_nobody_approved_does_not_answer(serving: Service, archives: Archives) -> None:
    waiting = register(serving.client, archives["classify"])["id"]
    answer = serving.client.call("POST", f"/classify?model={waiting}", jpeg(plain(RED)))
    assert (answer.status, answer.problem) == (409, "illegal-transition")


def test_a_connection_serves_many_requests(serving: Service) -> None:
    connection = serving.client.connect()
    connection.connect()
    used = connection.sock
    for colour, label in ((RED, "landfill"), (GREEN, "compost"), (BLUE, "recycling")) * 10:
        answer = serving.client.call("POST", "/classify", jpeg(plain(colour)), connection=connection)
        assert answer.json()["label"] == label
        assert connection.sock is used
    connection.close()


def test_a_refused_body_leaves_its_connection_usable(serving: Service) -> None:
    connection = serving.client.connect()
    refused = serving.client.call("POST", "/classify", bytes(12 * 1024 * 1024), connection=connection)
    assert refused.status == 413
    answer = serving.client.call("POST", "/classify", jpeg(plain(RED)), connection=connection)
    assert answer.json()["label"] == "landfill"
    connection.close()


def test_answers_are_sent_without_waiting_for_more(serving: Service) -> None:
    """Nagle's algorithm held every keep-alive answer back for 44 ms in chalice's local server."""
    connection = serving.client.connect()
    serving.client.call("GET", "/health", connection=connection)
    ends = [each for each in _open_sockets() if _peer(each) == connection.sock.getsockname()]
    assert [end.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0 for end in ends] == [True]
    connection.close()


def test_a_chunked_body_is_read_whole(serving: Service) -> None:
    photo = jpeg(plain(GREEN, (640, 480)))
    chunks = [photo[start : start + 700] for start in range(0, len(photo), 700)]
    assert len(chunks) > 3
    answer = serving.client.call("POST", "/classify", iter(chunks))
    assert answer.json()["label"] == "compost"


def test_eight_threads_each_get_the_answer_to_their_own_photo(serving: Service) -> None:
    photos = [jpeg(plain((30 * thread, 240 - 25 * thread, 20 * thread))) for thread in range(THREADS)]
    alone = [serving.client.call("POST", "/classify", photo).json()["probabilities"] for photo in photos]
    assert len({tuple(each.values()) for each in alone}) == THREADS
    with ThreadPoolExecutor(THREADS) as pool:
        answers = list(pool.map(lambda thread: _ask_often(serving.client, thread, photos[thread]), range(THREADS)))
    for thread, own in enumerate(answers):
        assert [answer.json()["probabilities"] for answer in own] == [alone[thread]] * PHOTOS_EACH
        ids = [f"thread-{thread}-{number}" for number in range(PHOTOS_EACH)]
        assert [answer.headers["x-request-id"] for answer in own] == ids
        assert [answer.json()["request_id"] for answer in own] == ids


def test_threads_with_different_keys_and_routes_do_not_mix(serving: Service) -> None:
    inference = serving.client.with_key(serving.key("inference"))
    calls = [
        lambda: serving.client.get("/keys").status == 200,
        lambda: inference.get("/keys").status == 403,
        lambda: serving.stranger.get("/keys").status == 401,
        lambda: inference.call("POST", "/count", png(plain((51, 51, 51)))).json()["count"] == 1,
        lambda: serving.client.call("POST", "/nowhere", b"x").status == 404,
        lambda: serving.client.post("/keys", {"nmae": "x"}).json()["errors"][0]["field"] == "name",
    ]
    with ThreadPoolExecutor(THREADS) as pool:
        assert all(pool.map(lambda number: calls[number % len(calls)](), range(120)))


def test_the_artifact_that_answers_is_the_one_that_was_registered(serving: Service) -> None:
    answer = serving.client.call("POST", "/classify", jpeg(plain(RED))).json()
    link = serving.client.get(f"/models/{answer['model']['id']}/artifact").json()
    stored = serving.stranger.call("GET", link["url"].partition(str(serving.client.port))[2])
    assert hashlib.sha256(stored.body).hexdigest() == answer["model"]["digest"]


def _ask_often(client: Client, thread: int, photo: bytes) -> list[Answer]:
    connection = client.connect()
    answers = []
    for number in range(PHOTOS_EACH):
        headers = {"X-Request-Id": f"thread-{thread}-{number}"}
        answers.append(client.call("POST", "/classify", photo, headers, connection))
    connection.close()
    return answers


def _open_sockets() -> list[socket.socket]:
    found = [each for each in gc.get_objects() if isinstance(each, socket.socket)]
    return [each for each in found if each.fileno() >= 0 and each.family == socket.AF_INET]


def _peer(end: socket.socket) -> Any:
    try:
        return end.getpeername()
    except OSError:
        return None
