"""A fleet's update window: what a camera keeps out of hours, and what it does not."""

from __future__ import annotations

import pytest

from chalicelib.domain.deployment import DeploymentState
from chalicelib.domain.fleet import UpdateWindow
from chalicelib.services.promotion_suite import PromotionSuite
from tests.unit.promotion_world import World
from tests.unit.test_promotion_service import go_on, promote, settled

HOUR_S = 3600


@pytest.fixture
def shut() -> tuple[World, PromotionSuite]:
    """`waste-2` has succeeded, proved by `a` alone; `b` runs `waste-1`, and the window has closed meanwhile."""
    world, suite = settled("a", "b")
    begun = promote(world, suite, "waste-2")
    world.check_in(suite, "a")
    assert go_on(world, suite, begun).state is DeploymentState.SUCCEEDED
    minute = int(world.now_s // 60) % 1440
    window = UpdateWindow((minute + 120) % 1440, (minute + 240) % 1440)
    suite.fleets.change_fleet("kitchen", {"update_window": window}, "tester")
    return world, suite


def model_for(suite: PromotionSuite, name: str) -> str | None:
    assigned = suite.check_ins.assigned(suite.fleets.get(name))
    return assigned.model.model_id if assigned.model else None


def test_a_camera_that_was_not_reached_keeps_what_it_runs_until_the_window_opens(
    shut: tuple[World, PromotionSuite],
) -> None:
    world, suite = shut
    assert (model_for(suite, "a"), model_for(suite, "b")) == ("waste-2", "waste-1")
    assert world.report(suite, "b") == "verified"
    world.now_s += 3 * HOUR_S
    assert model_for(suite, "b") == "waste-2"
    world.check_in(suite, "b")
    world.now_s += 3 * HOUR_S
    assert model_for(suite, "b") == "waste-2"


def test_a_camera_that_runs_nothing_of_the_fleets_gets_what_stands_at_any_hour(
    shut: tuple[World, PromotionSuite],
) -> None:
    world, suite = shut
    world.enrol(suite, "c")
    assert model_for(suite, "c") == "waste-2"


def test_a_camera_that_the_next_promotion_has_not_reached_keeps_it_too(shut: tuple[World, PromotionSuite]) -> None:
    world, suite = shut
    promote(world, suite, "waste-3")
    assert (model_for(suite, "a"), model_for(suite, "b")) == ("waste-2", "waste-1")
