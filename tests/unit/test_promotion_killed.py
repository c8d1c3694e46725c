"""kill -9 before and after every single effect of a promotion: it goes on or is taken back, never stuck, never two."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from copy import deepcopy

import pytest

from chalicelib.domain.deployment import TERMINAL, Deployment, DeploymentState
from chalicelib.domain.inference import Task
from chalicelib.domain.plan import EndpointPlan, FleetPlan, Plan, Wave
from chalicelib.domain.ring import place_of
from chalicelib.services.promotion_suite import PromotionSuite
from tests.unit.promotion_world import KilledError, World

CAMERAS = ("attic", "bar", "cellar", "door")
PLAN = Plan(EndpointPlan(soak_s=3), FleetPlan("kitchen", (Wave(30, 2), Wave(100, 2))))
ROUNDS = 40
MANY = 400


def settled_world() -> World:
    """`waste-1` has succeeded on the endpoint and on four cameras; nobody has died yet."""
    world = World()
    suite = world.service()
    world.enrol(suite, *CAMERAS)
    suite.deployments.promote("waste-1", "tester", PLAN)
    play(world, "waste-1", bad=False)
    world.now_s += 10_000
    suite.deployments.tick()
    world.fate.effects = 0
    return world


def play(world: World, model: str, bad: bool) -> None:
    """Check-ins and ticks until it has ended, by a new process whenever the one before was killed."""
    suite = world.service()
    for _ in range(ROUNDS):
        try:
            one_round(world, suite, model, bad)
        except KilledError:
            suite = world.service()
        check_targets(world)
        if ended(world, model):
            return
    pytest.fail(f"stuck: {[(each.model_id, each.state, each.reason) for each in world.deployments()]}")


def one_round(world: World, suite: PromotionSuite, model: str, bad: bool) -> None:
    world.now_s += 1
    if not any(each.model_id == model for each in world.deployments()):
        # The admin's request broke off before anything was stored: it is sent again.
        suite.deployments.promote(model, "tester", PLAN)
    suite.deployments.tick()
    world.check_in(suite)
    if bad:
        for name in CAMERAS:
            digest = suite.check_ins.assigned(suite.fleets.get(name)).model
            if digest and digest.model_id == model:
                world.report(suite, name, failure={"code": "engine", "detail": "x"}, deployment=active(world, model).id)


def active(world: World, model: str) -> Deployment:
    return next(each for each in world.deployments() if each.model_id == model)


def ended(world: World, model: str) -> bool:
    return any(each.model_id == model and each.state in TERMINAL for each in world.deployments())


def check_targets(world: World) -> None:
    """Never two active promotions on one target."""
    names: Counter[str] = Counter()
    for each in world.deployments():
        if each.state not in TERMINAL:
            names.update(["endpoint"] if each.plan.endpoint else [])
            names.update([each.plan.fleet.fleet] if each.plan.fleet else [])
    assert all(amount == 1 for amount in names.values()), names


def check_endpoints(world: World) -> None:
    """After a while only what the alias names is left."""
    for _ in range(4):
        world.now_s += 10_000
        suite = world.service()
        with suppress(KilledError):
            suite.deployments.tick()
    alias = suite.deployments.alias(Task.CLASSIFY)
    assert alias is not None
    assert set(world.endpoints.made) == alias.endpoints()


def effects_of(world: World, bad: bool) -> int:
    play(world, "waste-2", bad)
    check_endpoints(world)
    return world.fate.effects


@pytest.mark.parametrize("bad", [False, True], ids=["a good model", "a bad model"])
@pytest.mark.parametrize("dies_after", [False, True], ids=["before", "after"])
def test_killed_at_every_effect_a_promotion_still_comes_to_its_end(bad: bool, dies_after: bool) -> None:
    settled = settled_world()
    effects = effects_of(deepcopy(settled), bad)
    assert 20 < effects < MANY
    for number in range(1, effects + 1):
        world = deepcopy(settled)
        world.fate.dies_at, world.fate.dies_after = number, dies_after
        play(world, "waste-2", bad)
        check_endpoints(world)
        assert (live(world), states(world)) == expected(bad), number
        assert world.service().fleets.ledger.first_fault() is None


def live(world: World) -> str:
    alias = world.service().deployments.alias(Task.CLASSIFY)
    return alias.primary.model_id if alias else ""


def states(world: World) -> set[DeploymentState]:
    return {each.state for each in world.deployments() if each.model_id == "waste-2"}


def expected(bad: bool) -> tuple[str, set[DeploymentState]]:
    if bad:
        return "waste-1", {DeploymentState.REVERTED}
    return "waste-2", {DeploymentState.SUCCEEDED}


def test_the_cameras_of_this_story_stand_at_four_places() -> None:
    assert len({place_of(name) for name in CAMERAS}) == 4


def half_way_world() -> World:
    """`waste-2` has reached a first camera when somebody promotes `waste-3`."""
    world = settled_world()
    suite = world.service()
    suite.deployments.promote("waste-2", "tester", PLAN)
    while not any(each.state is DeploymentState.WAVE for each in world.deployments()):
        world.now_s += 1
        suite.deployments.tick()
    world.check_in(suite)
    world.fate.effects = 0
    return world


def superseded(world: World) -> None:
    play(world, "waste-3", bad=False)
    check_endpoints(world)


@pytest.mark.parametrize("dies_after", [False, True], ids=["before", "after"])
def test_killed_at_every_effect_a_promotion_still_supersedes_the_one_before(dies_after: bool) -> None:
    half_way = half_way_world()
    world = deepcopy(half_way)
    superseded(world)
    effects = world.fate.effects
    assert 20 < effects < MANY
    for number in range(1, effects + 1):
        world = deepcopy(half_way)
        world.fate.dies_at, world.fate.dies_after = number, dies_after
        superseded(world)
        ends = {each.model_id: each.state for each in world.deployments()}
        assert ends["waste-2"] is DeploymentState.SUPERSEDED, number
        assert (live(world), ends["waste-3"]) == ("waste-3", DeploymentState.SUCCEEDED), number
        assert world.service().fleets.ledger.first_fault() is None
