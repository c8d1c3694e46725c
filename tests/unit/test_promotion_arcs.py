"""Arcs of the ring on which most cameras cannot run the model."""

from __future__ import annotations

import pytest

from chalicelib.domain.counting import Gate
from chalicelib.domain.deployment import DeploymentState
from chalicelib.domain.plan import FleetPlan, Plan, Wave
from chalicelib.services import targets
from chalicelib.services.fleet import NewDevice
from chalicelib.services.promotion_suite import PromotionSuite
from tests.unit.promotion_world import World
from tests.unit.test_promotion_service import go_on, promote

State = DeploymentState


def mixed_fleet(lenses: int, *names: str) -> tuple[World, PromotionSuite]:
    """DeepLens cameras, which the model does not run on, and the cameras with these names, which it does."""
    world = World()
    suite = world.service()
    for number in range(lenses):
        suite.fleets.enrol(NewDevice(f"lens-{number}", "kitchen", engine="awscam"))
    world.enrol(suite, *names)
    return world, suite


def test_a_wave_finds_the_one_camera_that_can_among_many_that_cannot() -> None:
    world, suite = mixed_fleet(40, "pi")
    begun = promote(world, suite, "waste-1", waves=(Wave(0.1), Wave(100)))
    assert begun.waves[0].minimum == 1
    world.check_in(suite, "pi")
    assert suite.deployments.tally.counts(begun.id).of("verified", 0) == 1
    assert go_on(world, suite, begun).state is State.SUCCEEDED


def test_a_gates_minimum_is_not_lowered_because_the_next_cameras_cannot() -> None:
    pis = [f"pi-{number}" for number in range(8)]
    world, suite = mixed_fleet(60, *pis)
    begun = promote(world, suite, "waste-1", waves=(Wave(0.1), Wave(100)), gate=Gate(0.9, 4))
    assert begun.waves[0].minimum == 4
    world.check_in(suite, *pis)
    assert suite.deployments.tally.counts(begun.id).of("seen", 0) == 4


def test_an_arc_passes_by_more_cameras_that_cannot_than_one_look_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(targets, "MOST_LOOKED_AT", 10)
    world, suite = mixed_fleet(45, "pi")
    begun = promote(world, suite, "waste-1", waves=(Wave(0.1), Wave(100)), lengthen_after_s=5)
    lengths = []
    for _ in range(10):
        world.check_in(suite, "pi")
        begun = go_on(world, suite, begun, seconds=6, ticks=1)
        lengths.append(begun.waves[0].length)
    assert begun.state is State.SUCCEEDED
    assert lengths == sorted(lengths)


def test_a_dry_run_names_the_one_camera_that_would_be_first() -> None:
    _, suite = mixed_fleet(40, "pi")
    shown = suite.dry_runs.of("waste-1", Plan(None, FleetPlan("kitchen", (Wave(0.1), Wave(100)))))["fleet"]
    assert shown["first"] == ["pi"]
    assert shown["incompatible_engines"] == {"awscam": 40}
