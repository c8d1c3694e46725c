"""/events and /frames over HTTP: a camera's own key, one filter a query, refusals by name."""

from __future__ import annotations

import hashlib
import time
from typing import Any

import pytest

from tests.functional.client import Client
from tests.functional.service import Service

BOOT = "boot-0000000000000001"


@pytest.fixture
def cameras(empty: Service) -> dict[str, Client]:
    """Two cameras of one fleet."""
    found = {}
    for name in ("kitchen-1", "kitchen-2"):
        key = empty.client.post("/devices", {"id": name, "fleet": "kitchen"}).json()["key"]
        found[name] = empty.client.with_key(key)
    return found


def event(sequence: int, label: str = "compost", **changes: Any) -> dict[str, Any]:
    result = {"label": label, "confidence": 0.9, "unknown": False, "reasons": []}
    return {
        "sequence": sequence,
        "captured_at_s": time.time(),
        "model": None,
        "task": "classify",
        "result": result,
    } | changes


def batch(*events: dict[str, Any], **members: Any) -> dict[str, Any]:
    return {"boot": BOOT, "events": list(events), **members}


def found(service: Service, query: str) -> list[tuple[str, int]]:
    answer = service.client.get(f"/events?{query}")
    assert answer.status == 200, answer.body
    return [(each["device"], each["sequence"]) for each in answer.json()["items"]]


def test_events_are_found_by_device_fleet_and_label(empty: Service, cameras: dict[str, Client]) -> None:
    cameras["kitchen-1"].post("/events", batch(event(1), event(2, "landfill")))
    cameras["kitchen-2"].post("/events", batch(event(1)))
    assert found(empty, "device=kitchen-1") == [("kitchen-1", 2), ("kitchen-1", 1)]
    assert len(found(empty, "fleet=kitchen")) == len(found(empty, "limit=10")) == 3
    assert found(empty, "label=landfill") == [("kitchen-1", 2)]
    assert found(empty, "label=glass") == []


def test_counts_that_differ_from_what_was_expected_are_listed(empty: Service, cameras: dict[str, Client]) -> None:
    def count(sequence: int, number: int) -> dict[str, Any]:
        result = {"count": number, "label": str(number), "unknown": False}
        return event(sequence, task="count", result=result, expected=3, reference="bin-7")

    cameras["kitchen-1"].post("/events", batch(count(1, 3), count(2, 2)))
    assert found(empty, "mismatch=true") == [("kitchen-1", 2)]


def test_what_was_not_counted_differs_from_nothing(empty: Service, cameras: dict[str, Client]) -> None:
    cameras["kitchen-1"].post("/events", batch(event(1, expected=3)))
    assert found(empty, "mismatch=true") == []
    assert [each["mismatch"] for each in empty.client.get("/events?device=kitchen-1").json()["items"]] == [False]


def test_one_bad_event_is_refused_and_the_rest_is_taken(empty: Service, cameras: dict[str, Client]) -> None:
    bad = event(2, result="compost")
    answer = cameras["kitchen-1"].post("/events", batch(event(1), bad, event(3)))
    told = answer.json()
    assert [each["status"] for each in told["results"]] == ["stored", "refused", "stored"]
    assert told["results"][1]["reason"].startswith("result")
    assert told["acknowledged"] == 3


def test_a_replay_is_named_and_kept_once(empty: Service, cameras: dict[str, Client]) -> None:
    for status in ("stored", "replayed"):
        told = cameras["kitchen-1"].post("/events", batch(event(1))).json()
        assert told["results"] == [{"sequence": 1, "status": status, "reason": ""}]
    assert len(found(empty, "device=kitchen-1")) == 1


def test_gaps_and_drops_are_told(empty: Service, cameras: dict[str, Client]) -> None:
    told = cameras["kitchen-1"].post("/events", batch(event(5), dropped=[[1, 2]])).json()
    assert (told["acknowledged"], told["gaps"], told["dropped"]) == (2, [[3, 4]], 2)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({"boot": "short", "events": []}, "invalid-field"),
        ({"boot": BOOT, "events": [{"label": "compost"}]}, "invalid-field"),
        ({"boot": BOOT, "events": [{"sequence": at} for at in range(1, 26)]}, "invalid-field"),
        ({"boot": BOOT, "events": [], "device": "kitchen-2"}, "invalid-field"),
    ],
)
def test_a_batch_that_does_not_fit_is_refused(cameras: dict[str, Client], body: dict[str, Any], problem: str) -> None:
    answer = cameras["kitchen-1"].post("/events", body)
    assert (answer.status, answer.problem) == (422, problem)


def test_only_cameras_report_events(empty: Service) -> None:
    assert empty.client.post("/events", batch(event(1))).problem == "missing-scope"


@pytest.mark.parametrize(
    "query", ["device=a&label=b", "mismatch=no", "from=yesterday", "sort=label", "limit=0", "device=a&cursor=nonsense"]
)
def test_a_query_that_does_not_fit_is_refused(cameras: dict[str, Client], empty: Service, query: str) -> None:
    assert empty.client.get(f"/events?{query}").problem == "invalid-query"


def test_pages_have_cursors(empty: Service, cameras: dict[str, Client]) -> None:
    cameras["kitchen-1"].post("/events", batch(*[event(at) for at in range(1, 8)]))
    seen, cursor = [], ""
    while True:
        page = empty.client.get(f"/events?device=kitchen-1&limit=3{cursor}").json()
        seen += [each["sequence"] for each in page["items"]]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert sorted(seen) == list(range(1, 8))


def test_a_sampled_frame_is_announced_sent_and_listed(empty: Service, cameras: dict[str, Client]) -> None:
    jpeg = b"\xff\xd8 a frame of the tests"
    terms = {"bytes": len(jpeg), "sha256": hashlib.sha256(jpeg).hexdigest(), "captured_at_s": time.time()}
    frame = {**terms, "sampler": "near_threshold", "thought": {"label": "compost", "confidence": 0.5}}
    first = cameras["kitchen-1"].post("/frames", frame).json()
    again = cameras["kitchen-1"].post("/frames", frame).json()
    assert first["id"] == again["id"]
    listed = empty.client.get("/frames?device=kitchen-1").json()["items"]
    assert [each["url"] for each in listed] == [None]
    assert empty.client.put(again["url"], jpeg, again["headers"]).status == 200
    (item,) = empty.client.get("/frames?fleet=kitchen").json()["items"]
    assert (item["device"], item["thought"]["label"]) == ("kitchen-1", "compost")
    assert empty.client.get(item["url"].partition(str(empty.client.port))[2]).body == jpeg


def test_other_bytes_than_announced_are_refused(empty: Service, cameras: dict[str, Client]) -> None:
    terms = {"bytes": 4, "sha256": hashlib.sha256(b"jpeg").hexdigest(), "captured_at_s": 1.0, "sampler": "random"}
    target = cameras["kitchen-1"].post("/frames", terms).json()
    assert empty.client.put(target["url"], b"JPEG", target["headers"]).status == 400


@pytest.mark.parametrize(("share", "expected"), [(0.9, False), (0.1, True), (None, None)])
def test_a_camera_that_does_not_see_what_the_model_was_trained_on_is_named(
    empty: Service, cameras: dict[str, Client], share: float | None, expected: bool | None
) -> None:
    scene = {"brightness": 120.0, "samples": 500} | ({} if share is None else {"unlike_training": share})
    report = {"boot": BOOT, "sequence": 1, "stage": "idle", "scene": scene}
    assert cameras["kitchen-1"].post("/devices/kitchen-1/report", report).status == 200
    assert empty.client.get("/devices/kitchen-1").json()["state"]["sees_as_trained"] is expected
