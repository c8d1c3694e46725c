"""One promotion, from the endpoint to a proved fleet and back again, on each store."""

from __future__ import annotations

import pytest

from chalicelib.adapters.embedded.sqlite_store import SqliteStore
from chalicelib.domain.counting import AbortRules, Gate, Limit
from chalicelib.domain.deployment import DeploymentState
from chalicelib.domain.inference import Task
from chalicelib.domain.plan import EndpointPlan, FleetPlan, Plan, Wave
from chalicelib.domain.ports import RecordStore
from chalicelib.services.promotion_suite import PromotionSuite
from tests.unit.promotion_world import World

State = DeploymentState
CAMERAS = ("attic", "bar", "cellar", "door", "eaves")
WAVES = (Wave(30), Wave(100))


@pytest.fixture
def world(store: RecordStore) -> World:
    """One shard on SQLite as in production; on DynamoDB fewer than there, because moto is slow."""
    made = World(shards=1 if isinstance(store, SqliteStore) else 4)
    made.store = store
    return made


def followed(world: World, suite: PromotionSuite, model: str, plan: Plan) -> State:
    deployment = suite.deployments.promote(model, "tester", plan)
    for _ in range(8):
        world.now_s += 2
        suite.deployments.tick()
        world.check_in(suite)
        deployment = suite.deployments.get(deployment.id)
    return deployment.state


def test_a_promotion_succeeds_and_the_next_one_is_taken_back(world: World) -> None:
    suite = world.service()
    world.enrol(suite, *CAMERAS)
    good = Plan(EndpointPlan(), FleetPlan("kitchen", WAVES, Gate(0.9, 1)))
    assert followed(world, suite, "waste-1", good) is State.SUCCEEDED
    held = Plan(EndpointPlan(), FleetPlan("kitchen", (Wave(30), Wave(100, 1e6)), Gate(0.9, 1)))
    assert followed(world, suite, "waste-2", held) is State.WAVE
    second = suite.deployments.page(None, 1)[0][0]
    counts = suite.deployments.tally.counts(second.id)
    assert (counts.of("seen"), counts.of("verified")) == (5, 5)
    suite.deployments.abort(second.id, "tester", "second thoughts")
    world.check_in(suite)
    suite.deployments.tick()
    assert suite.deployments.get(second.id).state is State.REVERTED
    assert set(world.runs.values()) == {suite.deployments.start.registry.get("waste-1").digest}
    alias = suite.deployments.alias(Task.CLASSIFY)
    assert alias is not None
    assert alias.primary.model_id == "waste-1"
    assert suite.deployments.steps.ledger.first_fault() is None


def test_time_outs_liars_and_the_unreachable_are_found_by_index(world: World) -> None:
    suite = world.service()
    world.enrol(suite, *CAMERAS)
    assert followed(world, suite, "waste-1", Plan(None, FleetPlan("kitchen", WAVES))) is State.SUCCEEDED
    loose = AbortRules(**{name: Limit(1.0, 99, is_exact=True) for name in ("timed_out", "unverified")})
    plan = FleetPlan("kitchen", (Wave(100),), Gate(1.0, 5), loose, device_timeout_s=60, revert_timeout_s=60)
    begun = suite.deployments.promote("waste-2", "tester", Plan(None, plan))
    for _ in range(3):
        suite.deployments.tick()
    world.check_in(suite, "attic", lies=True)
    world.report(suite, "bar", stage="downloading")
    world.now_s += 61
    suite.deployments.tick()
    named, _ = suite.deployments.tally.page_of_named(begun.id, "", None, 10)
    assert [(member.device, member.outcome) for member in named] == [("bar", "timed_out"), ("attic", "unverified")]
    suite.deployments.abort(begun.id, "tester", "")
    world.now_s += 61
    suite.deployments.tick()
    ended = suite.deployments.get(begun.id)
    assert ended.state is State.REVERT_INCOMPLETE
    assert ended.outcome is not None
    assert ended.outcome["not_back"] == ["attic", "bar"]


def test_cameras_that_leave_take_their_counts_along(world: World) -> None:
    suite = world.service()
    world.enrol(suite, *CAMERAS)
    assert followed(world, suite, "waste-1", Plan(None, FleetPlan("kitchen", WAVES))) is State.SUCCEEDED
    begun = suite.deployments.promote("waste-2", "tester", Plan(None, FleetPlan("kitchen", (Wave(100),), Gate(1.0, 5))))
    for _ in range(3):
        suite.deployments.tick()
    for name in ("attic", "bar"):
        world.report(suite, name, stage="downloading")
    world.check_in(suite, "cellar", "door")
    suite.fleets.revoke("attic")
    suite.fleets.pin("bar", "waste-1")
    suite.fleets.change("cellar", "garden", None)
    suite.fleets.revoke("eaves")
    counts = suite.deployments.tally.counts(begun.id)
    assert (counts.of("seen"), counts.of("verified"), counts.of("back"), counts.undecided()) == (2, 2, 1, 0)
    suite.deployments.abort(begun.id, "tester", "")
    world.check_in(suite, "door")
    suite.deployments.tick()
    assert suite.deployments.get(begun.id).state is State.REVERTED
