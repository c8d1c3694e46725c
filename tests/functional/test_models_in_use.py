"""A model is retired only once nothing runs it, is about to, or would go back to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.functional.client import Answer
from tests.functional.fleet_service import FleetService
from tests.functional.service import Service


@pytest.fixture
def fleet(empty: Service, tmp_path: Path) -> Iterator[FleetService]:
    empty.services.check_ins.targets.recent._fresh_s = 0.0
    made = FleetService(empty, tmp_path / "models")
    yield made
    made.shelf.close()


def retire(fleet: FleetService, model: str) -> Answer:
    return fleet.service.client.post(f"/models/{model}/retire", {"reason": "old"})


def places(fleet: FleetService, model: str) -> set[str]:
    """Where it is at work, as the refusal says."""
    answer = retire(fleet, model)
    assert (answer.status, answer.problem) == (409, "model-in-use")
    return set(answer.json()["live"])


def test_what_a_fleet_stands_on_or_is_promoted_to_is_not_retired(fleet: FleetService) -> None:
    fleet.enrol(4)
    old = fleet.promoted("good")
    assert places(fleet, old) == {"primary", "fleet:kitchen"}
    new = fleet.model("other")
    begun = fleet.deploy(new)
    assert f"deployment:{begun['id']}" in places(fleet, new)
    assert {"fleet:kitchen", f"deployment:{begun['id']}"} <= places(fleet, old)
    assert fleet.go_on(begun)["state"] == "succeeded"
    assert retire(fleet, old).json()["state"] == "retired"
    assert places(fleet, new) == {"primary", "fleet:kitchen"}


def test_a_model_that_was_taken_back_is_retired(fleet: FleetService) -> None:
    fleet.enrol(4)
    fleet.promoted("good")
    for camera in fleet.cameras:
        camera.fault = "crashing"
    bad = fleet.model("other")
    assert fleet.go_on(fleet.deploy(bad))["state"] == "reverted"
    assert retire(fleet, bad).json()["state"] == "retired"
