"""A lack of quota is told and waited for: it is no failure."""

from __future__ import annotations

import pytest

from chalicelib.domain.capacity import Capacity, Use
from chalicelib.domain.deployment import DeploymentState
from chalicelib.domain.fleet_errors import QuotaExceededError
from chalicelib.domain.inference import Task
from chalicelib.domain.plan import EndpointPlan, FleetPlan, Plan
from chalicelib.services.promotion_suite import PromotionSuite
from tests.unit.promotion_world import World

State = DeploymentState
PLAN = Plan(EndpointPlan(create_timeout_s=60))


def crowded() -> tuple[World, PromotionSuite]:
    """SageMaker refuses to make the endpoint, although there was room a moment ago."""
    world = World()
    world.endpoints.is_full = True
    return world, world.service()


def test_a_promotion_waits_for_room_and_goes_on_when_there_is_some() -> None:
    world, suite = crowded()
    begun = suite.deployments.promote("waste-1", "tester", PLAN)
    assert begun.state is State.PROVING_ENDPOINT
    assert suite.deployments.why_it_waits(begun).startswith("quota_exceeded: ")
    world.now_s += 30
    suite.deployments.tick()
    assert suite.deployments.get(begun.id).record_version == begun.record_version
    world.endpoints.is_full = False
    for _ in range(3):
        suite.deployments.tick()
    ended = suite.deployments.get(begun.id)
    assert (ended.state, ended.lack, ended.reason) == (State.SUCCEEDED, "", "")


def test_where_no_room_comes_it_expires_and_leaves_nothing() -> None:
    world, suite = crowded()
    begun = suite.deployments.promote("waste-1", "tester", PLAN)
    world.now_s += 61
    suite.deployments.tick()
    ended = suite.deployments.get(begun.id)
    assert ended.state is State.EXPIRED
    assert ended.reason.startswith("quota_exceeded: ")
    assert suite.deployments.targets.endpoint(Task.CLASSIFY).active is None
    assert suite.deployments.alias(Task.CLASSIFY) is None
    assert world.endpoints.made == {}


def test_one_that_superseded_a_live_model_and_finds_no_room_leaves_the_baseline() -> None:
    world, suite = crowded()
    world.endpoints.is_full = False
    suite.deployments.promote("waste-1", "tester", PLAN)
    for _ in range(3):
        suite.deployments.tick()
    soaking = suite.deployments.promote("waste-2", "tester", Plan(EndpointPlan(soak_s=1e6)))
    for _ in range(3):
        suite.deployments.tick()
    assert suite.deployments.get(soaking.id).state is State.ENDPOINT_LIVE
    world.endpoints.is_full = True
    suite.deployments.promote("waste-3", "tester", PLAN)
    world.now_s += 61
    suite.deployments.tick()
    alias = suite.deployments.alias(Task.CLASSIFY)
    assert alias is not None
    assert alias.primary.model_id == "waste-1"


def test_a_lack_that_is_seen_before_refuses_dry_run_and_beginning_alike() -> None:
    world, suite = crowded()
    world.endpoints.room = Capacity(Use(50, 50), Use(0, 10))
    for ask in (suite.dry_runs.of, lambda model, plan: suite.deployments.promote(model, "tester", plan)):
        with pytest.raises(QuotaExceededError, match="50 of the 50"):
            ask("waste-1", PLAN)
    assert world.deployments() == []


def test_the_endpoint_gets_the_concurrency_that_the_dry_run_shows() -> None:
    world, suite = crowded()
    world.endpoints.is_full = False
    world.endpoints.room = Capacity(Use(4, 50), Use(7, 10), tasks=frozenset({Task.COUNT}))
    shown = suite.dry_runs.of("waste-1", PLAN)["endpoint"]
    assert shown["settings"] == {"max_concurrency": 2}
    assert shown["quota"] == {
        "variants": {"used": 4, "most": 50},
        "concurrency": {"used": 7, "most": 10},
        "is_assumed": False,
    }
    assert shown["price"]["most_hourly_usd"] == pytest.approx(2 * 3600 * 0.00006)
    begun = suite.deployments.promote("waste-1", "tester", PLAN)
    assert world.endpoints.settings[begun.endpoint] == {"max_concurrency": 2}


def test_a_promotion_to_cameras_alone_asks_for_no_room() -> None:
    world, suite = crowded()
    world.enrol(suite, "a")
    world.endpoints.room = Capacity(Use(50, 50), Use(10, 10))
    assert "endpoint" not in suite.dry_runs.of("waste-1", Plan(None, FleetPlan("kitchen")))
