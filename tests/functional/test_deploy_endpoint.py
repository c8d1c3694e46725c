"""Promotions to the endpoint: canaries, flips under load, failures that leave everything as it was."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.device.agents import until
from tests.device.models import RED, jpeg, plain
from tests.functional.fleet_service import NAMES, FleetService
from tests.functional.service import Service

PHOTO = jpeg(plain(RED))
ASKERS = 4
REQUESTS_PER_S = 200
FLIPS = 50


@pytest.fixture
def fleet(empty: Service, tmp_path: Path) -> Iterator[FleetService]:
    made = FleetService(empty, tmp_path / "models")
    yield made
    made.shelf.close()


def deploy(fleet: FleetService, model: str, **endpoint: Any) -> dict[str, Any]:
    answer = fleet.service.client.post("/deploy", {"model": model, "endpoint": endpoint or True})
    assert answer.status == 201, answer.body
    return dict(answer.json())


def ask(fleet: FleetService) -> dict[str, Any]:
    return dict(fleet.service.client.call("POST", "/classify", PHOTO).json())


def test_a_canary_answers_its_share_and_is_counted_apart(fleet: FleetService) -> None:
    assert deploy(fleet, fleet.model("good"))["state"] == "succeeded"
    second = fleet.model("other")
    canary = deploy(fleet, second, canary={"share": 0.5, "duration_s": 0, "minimum": 10})
    assert canary["state"] == "canary"
    answers = [ask(fleet) for _ in range(60)]
    assert {answer["model"]["id"] for answer in answers} == {"waste-1", "waste-2"}
    for answer in answers:
        assert answer["label"] == NAMES["good" if answer["model"]["id"] == "waste-1" else "other"][0]
    watched = fleet.get(canary)["canary"]
    of_canary = sum(answer["model"]["id"] == "waste-2" and not answer["cold"] for answer in answers)
    assert watched["canary"]["answers"] == of_canary
    fleet.service.services.tick()
    assert fleet.get(canary)["state"] == "succeeded"
    assert ask(fleet)["model"]["id"] == second


def test_an_aborted_canary_never_answers_again(fleet: FleetService) -> None:
    deploy(fleet, fleet.model("good"))
    canary = deploy(fleet, fleet.model("other"), canary={"share": 0.5})
    aborted = fleet.service.client.post(f"/deploy/{canary['id']}/abort", {"reason": "second thoughts"}).json()
    assert aborted["state"] == "reverted"
    assert "second thoughts" in aborted["reason"]
    assert {ask(fleet)["model"]["id"] for _ in range(20)} == {"waste-1"}


def test_without_a_baseline_a_revert_leaves_no_model_to_answer(fleet: FleetService) -> None:
    never = fleet.service.client.call("POST", "/classify", PHOTO)
    assert (never.status, never.problem) == (404, "no-promoted-model")
    model = fleet.model("good")
    begun = deploy(fleet, model, soak_s=3600)
    assert begun["state"] == "endpoint_live"
    assert ask(fleet)["model"]["id"] == "waste-1"
    assert fleet.service.client.post(f"/deploy/{begun['id']}/abort", {}).json()["state"] == "reverted"
    taken_back = fleet.service.client.call("POST", "/classify", PHOTO)
    assert (taken_back.status, taken_back.problem) == (503, "model-taken-back")
    assert begun["id"] in taken_back.json()["detail"]
    assert int(taken_back.headers["retry-after"]) >= 1
    assert fleet.service.client.call("POST", f"/classify?model={model}", PHOTO).status == 200
    assert fleet.service.client.call("POST", "/count", PHOTO).status == 404
    assert deploy(fleet, model)["state"] == "succeeded"
    assert ask(fleet)["model"]["id"] == model


def test_a_soaking_promotion_is_paused_resumed_and_superseded(fleet: FleetService) -> None:
    deploy(fleet, fleet.model("good"))
    soaking = deploy(fleet, fleet.model("other"), soak_s=3600)
    assert fleet.service.client.post(f"/deploy/{soaking['id']}/pause").json()["state"] == "paused"
    refused = fleet.service.client.post(f"/deploy/{soaking['id']}/pause")
    assert (refused.status, refused.problem) == (409, "illegal-transition")
    assert fleet.service.client.post(f"/deploy/{soaking['id']}/resume").json()["state"] == "endpoint_live"
    third = deploy(fleet, fleet.model("good"))
    assert fleet.get(soaking)["state"] == "superseded"
    assert (third["state"], third["baseline"]) == ("succeeded", "waste-1")
    refused = fleet.service.client.post(f"/deploy/{soaking['id']}/abort", {})
    assert (refused.status, refused.problem) == (409, "illegal-transition")


def test_a_superseded_model_that_was_live_is_nobodys_baseline(fleet: FleetService) -> None:
    deploy(fleet, fleet.model("good"))
    deploy(fleet, fleet.model("other"), soak_s=3600)
    third = deploy(fleet, fleet.model("good"), soak_s=3600)
    assert fleet.service.client.post(f"/deploy/{third['id']}/abort", {}).json()["state"] == "reverted"
    assert ask(fleet)["model"]["id"] == "waste-1"


def test_no_answer_has_the_wrong_labels_while_the_alias_flips(fleet: FleetService) -> None:
    models = [fleet.model("good"), fleet.model("other")]
    deploy(fleet, models[0])
    answers: list[dict[str, Any]] = []
    failures: list[object] = []
    done = threading.Event()

    def keep_asking() -> None:
        due_s = time.monotonic()
        while not done.is_set():
            answer = fleet.service.client.call("POST", "/classify", PHOTO)
            (answers if answer.status == 200 else failures).append(answer.json())
            due_s += ASKERS / REQUESTS_PER_S
            time.sleep(max(0.0, due_s - time.monotonic()))

    askers = [threading.Thread(target=keep_asking) for _ in range(ASKERS)]
    for asker in askers:
        asker.start()
    flips = []
    try:
        for flip in range(1, FLIPS + 1):
            flips.append(deploy(fleet, models[flip % 2])["state"])
            # However the machine divides its time, somebody asks between two flips.
            until(lambda flip=flip: len(answers) > flip or failures)
    finally:
        done.set()
        for asker in askers:
            asker.join()
    assert set(flips) == {"succeeded"}
    assert failures == []
    assert len(answers) > FLIPS
    assert {answer["model"]["id"] for answer in answers} == set(models)
    for answer in answers:
        assert answer["label"] == NAMES["good" if answer["model"]["id"] == models[0] else "other"][0]


@pytest.mark.parametrize(("verb", "state"), [("pause", "paused"), ("abort", "reverted"), ("resume", "endpoint_live")])
def test_a_word_that_is_sent_twice_with_one_key_takes_effect_once(fleet: FleetService, verb: str, state: str) -> None:
    deploy(fleet, fleet.model("good"))
    soaking = deploy(fleet, fleet.model("other"), soak_s=3600)
    path = f"/deploy/{soaking['id']}"
    if verb == "resume":
        fleet.service.client.post(f"{path}/pause")
    first, second = (
        fleet.service.client.call("POST", f"{path}/{verb}", b"{}", {"Idempotency-Key": "once"}) for _ in range(2)
    )
    assert (first.status, first.json()["state"]) == (second.status, second.json()["state"]) == (200, state)
    assert second.headers["idempotency-replayed"] == "true"
