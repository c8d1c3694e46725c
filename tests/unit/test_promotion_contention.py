"""The timer, reports and admins in the same moment, many promotions at once, and an endpoint that cannot be asked."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from chalicelib.domain.counting import AbortRules, Limit
from chalicelib.domain.deployment import DeploymentState
from chalicelib.domain.errors import ModelUnavailableError
from chalicelib.domain.inference import Task
from chalicelib.domain.plan import EndpointPlan, FleetPlan, Plan
from chalicelib.domain.ports import EndpointStatus, Put, Write
from chalicelib.services import deployment
from tests.unit.promotion_world import World
from tests.unit.test_promotion_service import ALL, go_on, promote, settled

State = DeploymentState


def overtaken_once(world: World) -> None:
    """The timer changes the promotion just before the next write to it."""
    write, counted = world.store.write, itertools.count()

    def overtaken(*writes: Write) -> None:
        mine = [each for each in writes if isinstance(each, Put) and each.record.key.sort == "DEPLOYMENT"]
        if mine and next(counted) == 0:
            found = world.store.records[mine[0].record.key]
            world.store.records[found.key] = replace(found, version=found.version + 1)
        write(*writes)

    world.store.write = overtaken  # type: ignore[method-assign]


def test_the_report_that_trips_the_abort_decides_it_also_when_the_timer_took_a_step_meanwhile() -> None:
    world, suite = settled("a", "b")
    begun = promote(world, suite, "waste-2", abort=AbortRules(failed=Limit(0.4, 1, is_exact=True)))
    overtaken_once(world)
    world.check_in(suite, "a", fails=True)
    assert suite.deployments.get(begun.id).state is State.REVERTING


def test_the_timer_tends_every_promotion_however_many_fleets_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deployment, "TICKED", 3)
    world = World()
    suite = world.service()
    suite.deployments.promote("waste-1", "tester", Plan())
    go_on(world, suite, world.deployments()[0])
    begun = []
    for number in range(8):
        world.enrol(suite, f"cam-{number}", fleet=f"shop-{number}")
        begun.append(suite.deployments.promote("waste-1", "tester", Plan(None, FleetPlan(f"shop-{number}", ALL))))
    world.check_in(suite)
    go_on(world, suite, begun[0])
    assert {suite.deployments.get(each.id).state for each in begun} == {State.SUCCEEDED}


def test_a_promotion_that_has_begun_is_answered_although_its_endpoint_cannot_be_asked() -> None:
    world, suite = settled("a")
    describe = world.endpoints.describe

    def silent(endpoint: str) -> EndpointStatus:
        raise ModelUnavailableError("SageMaker does not answer.", retry_after_s=5)

    world.endpoints.describe = silent  # type: ignore[method-assign]
    begun = suite.deployments.promote("waste-2", "tester", Plan())
    assert begun.state is State.PROVING_ENDPOINT
    assert suite.deployments.why_it_waits(begun) == "SageMaker does not answer."
    world.endpoints.describe = describe  # type: ignore[method-assign]
    assert go_on(world, suite, begun).state is State.SUCCEEDED


def test_the_endpoint_of_a_promotion_that_expired_is_removed_when_nobody_names_it_any_more() -> None:
    world, suite = settled("a", "b")
    go_on(world, suite, suite.deployments.promote("waste-1", "tester", Plan()))
    for model in ("waste-2", "waste-3"):
        plan = Plan(EndpointPlan(), FleetPlan("kitchen", ALL), timeout_s=100)
        begun = go_on(world, suite, suite.deployments.promote(model, "tester", plan))
        assert go_on(world, suite, begun, seconds=400).state is State.EXPIRED
        alias = suite.deployments.alias(Task.CLASSIFY)
        assert alias is not None
        assert alias.primary.endpoint == begun.endpoint
        assert begun.endpoint in world.endpoints.made
    soaking = go_on(world, suite, suite.deployments.promote("waste-2", "tester", Plan(EndpointPlan(soak_s=1e5))))
    suite.deployments.abort(soaking.id, "tester", "no")
    go_on(world, suite, soaking, seconds=400)
    alias = suite.deployments.alias(Task.CLASSIFY)
    assert alias is not None
    assert alias.primary.model_id == "waste-1"
    assert set(world.endpoints.made) == {alias.primary.endpoint}
