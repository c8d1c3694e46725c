"""Promotions carried out, without HTTP: time-outs, arcs, windows, pins, and how much is written."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.domain.counting import AbortRules, Gate, Limit
from chalicelib.domain.deployment import Deployment, DeploymentState
from chalicelib.domain.fleet import UpdateWindow
from chalicelib.domain.fleet_errors import InvalidPlanError
from chalicelib.domain.inference import Task
from chalicelib.domain.plan import EndpointPlan, FleetPlan, Plan, Wave
from chalicelib.domain.ports import Add, Index, Page, Put, Write
from chalicelib.services.fleet import NewDevice
from chalicelib.services.promotion_suite import PromotionSuite
from tests.unit.promotion_world import MortalStore, World

State = DeploymentState
ALL = (Wave(100),)
NO_ENDPOINT = None


def promote(world: World, suite: PromotionSuite, model: str, **fleet: Any) -> Deployment:
    plan = Plan(NO_ENDPOINT, FleetPlan("kitchen", **{"waves": ALL, **fleet}))
    return go_on(world, suite, suite.deployments.promote(model, "tester", plan))


def go_on(
    world: World, suite: PromotionSuite, deployment: Deployment, seconds: float = 1, ticks: int = 4
) -> Deployment:
    for _ in range(ticks):
        world.now_s += seconds
        suite.deployments.tick()
    return suite.deployments.get(deployment.id)


def settled(*names: str, shards: int = 1) -> tuple[World, PromotionSuite]:
    """`waste-1` stands on these cameras."""
    world = World(shards=shards)
    suite = world.service()
    world.enrol(suite, *names)
    begun = promote(world, suite, "waste-1")
    world.check_in(suite)
    assert go_on(world, suite, begun).state is State.SUCCEEDED
    return world, suite


def test_a_camera_that_was_seen_and_then_says_nothing_times_out_by_its_deadline() -> None:
    world, suite = settled("a", "b")
    rules = AbortRules(timed_out=Limit(0.4, 1))
    begun = promote(world, suite, "waste-2", device_timeout_s=100, abort=rules)
    world.report(suite, "a", stage="downloading")
    assert suite.deployments.tally.counts(begun.id).undecided() == 1
    assert go_on(world, suite, begun, seconds=20).state is State.WAVE
    assert go_on(world, suite, begun, seconds=60).state is State.REVERTING
    assert suite.deployments.tally.counts(begun.id).of("timed_out") == 1


def test_a_revert_that_a_camera_does_not_come_back_from_names_it() -> None:
    world, suite = settled("a", "b")
    begun = promote(world, suite, "waste-2", revert_timeout_s=50, gate=Gate(1.0, 2))
    world.check_in(suite, "a")
    world.check_in(suite, "b")
    suite.deployments.abort(begun.id, "tester", "no")
    world.check_in(suite, "a")
    ended = go_on(world, suite, begun, seconds=20)
    assert ended.state is State.REVERT_INCOMPLETE
    assert ended.outcome is not None
    assert ended.outcome["not_back"] == ["b"]
    world.check_in(suite, "b")
    assert world.runs["b"] == suite.deployments.start.registry.get("waste-1").digest


def test_a_liar_is_refused_and_counted_once_however_often_it_tries() -> None:
    world, suite = settled("a", "b", "c")
    begun = promote(world, suite, "waste-2", abort=AbortRules(unverified=Limit(1.0, 9, is_exact=True)))
    for _ in range(3):
        world.check_in(suite, "a", lies=True)
    counts = suite.deployments.tally.counts(begun.id)
    assert (counts.of("seen"), counts.of("unverified"), counts.of("verified")) == (1, 1, 0)
    named, _ = suite.deployments.tally.page_of_named(begun.id, "unverified", None, 10)
    assert [(member.device, member.reason) for member in named] == [("a", "answers-of-another-model")]


def test_a_camera_that_fails_after_it_was_verified_is_worse() -> None:
    world, suite = settled("a", "b", "c")
    loose = AbortRules(worse=Limit(1.0, 9, is_exact=True))
    begun = promote(world, suite, "waste-2", abort=loose, gate=Gate(1.0, 3))
    world.check_in(suite, "a")
    world.report(suite, "a", failure={"code": "crash_loop", "detail": "x"}, deployment=begun.id)
    counts = suite.deployments.tally.counts(begun.id)
    assert (counts.of("verified"), counts.of("worse"), counts.of("failed")) == (1, 1, 0)


def test_why_a_camera_fell_back_stays_to_be_read_until_it_is_asked_for_something_else() -> None:
    world, suite = settled("a")
    standing = suite.deployments.targets.fleet_target("kitchen").standing
    crash = {"code": "crash_loop", "detail": "the engine ended the agent 3 times"}
    world.report(suite, "a", failure=crash, deployment=standing.deployment, digest=None)
    for _ in range(2):
        assert world.report(suite, "a", digest=None) == "none"
        assert suite.fleets.state("a").failure == crash
    promote(world, suite, "waste-2")
    assert world.report(suite, "a", digest=None) == "update"
    assert suite.fleets.state("a").failure is None


@pytest.mark.parametrize("shards", [1, 64])
def test_a_device_is_counted_with_three_transitions_at_the_most(shards: int) -> None:
    world, suite = settled("a", "b", shards=shards)
    begun = promote(world, suite, "waste-2", gate=Gate(1.0, 2))
    written = Recorded(world.store)
    for _ in range(10):
        world.check_in(suite, "a")
    adds = [each for writes in written.transactions for each in writes if isinstance(each, Add)]
    assert sum(sum(add.counters.values()) for add in adds) == 2
    assert len(written.transactions) == 10
    assert suite.deployments.tally.counts(begun.id).of("verified") == 1


@pytest.mark.parametrize("state", ["broken", "hanging"])
def test_an_endpoint_that_does_not_come_up_fails_and_is_removed(state: str) -> None:
    world, suite = settled("a")
    digest = suite.deployments.start.registry.get("waste-2").digest
    getattr(world.endpoints, state).add(digest)
    plan = Plan(EndpointPlan(create_timeout_s=10), FleetPlan("kitchen", ALL))
    ended = go_on(world, suite, suite.deployments.promote("waste-2", "tester", plan), seconds=20)
    assert ended.state is State.FAILED
    assert ended.endpoint not in world.endpoints.made
    assert suite.deployments.alias(Task.CLASSIFY) is None
    assert suite.deployments.targets.fleet_target("kitchen").overlay is None


def test_an_arc_whose_cameras_are_away_reaches_further() -> None:
    world = World()
    suite = world.service()
    world.enrol(suite, *(f"cam-{number}" for number in range(40)))
    begun = promote(world, suite, "waste-1", waves=(Wave(1), Wave(100)), lengthen_after_s=100)
    first = begun.waves[0].length
    world.now_s += 100
    suite.deployments.tick()
    after = suite.deployments.get(begun.id)
    assert after.waves[0].length > first
    assert after.waves[0].lengthened == 1


def test_a_wave_waits_for_a_word_where_it_was_asked_to() -> None:
    world = World()
    suite = world.service()
    world.enrol(suite, "a", "b", "c", "d")
    begun = promote(world, suite, "waste-1", waves=(Wave(30), Wave(100, confirm=True)))
    for _ in range(3):
        world.check_in(suite)
        begun = go_on(world, suite, begun)
    assert (begun.state, begun.wave) == (State.WAVE, 0)
    assert "resume" in suite.deployments.why_it_waits(begun)
    suite.deployments.resume(begun.id, "tester")
    world.check_in(suite)
    assert go_on(world, suite, begun).state is State.SUCCEEDED


def test_out_of_its_hours_a_fleet_is_offered_nothing_new_but_the_way_back() -> None:
    world, suite = settled("a", "b")
    hour = int(world.now_s // 60) % 1440
    shut = UpdateWindow((hour + 600) % 1440, (hour + 601) % 1440)
    begun = promote(world, suite, "waste-2", gate=Gate(1.0, 2))
    world.check_in(suite, "a")
    suite.fleets.change_fleet("kitchen", {"update_window": shut}, "tester")
    directions = {name: suite.check_ins.assigned(suite.fleets.get(name)).direction for name in ("a", "b")}
    assert directions == {"a": "forward", "b": "standing"}
    assert suite.deployments.why_it_waits(begun).endswith(f"closed until {shut.to_json()['from']} UTC.")
    assert suite.dry_runs.of("waste-2", begun.plan)["fleet"]["update_window"] == shut.to_json()
    suite.deployments.abort(begun.id, "tester", "")
    assert suite.check_ins.assigned(suite.fleets.get("b")).direction == "back"


def test_a_pinned_camera_stays_where_it_is_through_every_promotion() -> None:
    world, suite = settled("a", "b")
    suite.fleets.pin("a", "waste-1")
    begun = promote(world, suite, "waste-2")
    world.check_in(suite)
    assert go_on(world, suite, begun).state is State.SUCCEEDED
    digests = {
        name: suite.deployments.start.registry.get(f"waste-{number}").digest for name, number in (("a", 1), ("b", 2))
    }
    assert world.runs == digests


def test_a_new_promotion_of_the_fleet_alone_takes_the_endpoint_of_the_old_one_back() -> None:
    world, suite = settled("a", "b")
    suite.deployments.promote("waste-1", "tester", Plan())
    go_on(world, suite, world.deployments()[-1])
    both = suite.deployments.promote("waste-2", "tester", Plan(EndpointPlan(soak_s=1e5), FleetPlan("kitchen", ALL)))
    assert go_on(world, suite, both).state is State.ENDPOINT_LIVE
    promote(world, suite, "waste-3")
    assert suite.deployments.get(both.id).state is State.SUPERSEDED
    alias = suite.deployments.alias(Task.CLASSIFY)
    assert alias is not None
    assert alias.primary.model_id == "waste-1"


def test_a_wave_begins_with_as_many_reads_and_writes_whatever_the_fleets_size() -> None:
    assert cost_of_a_wave(10) == cost_of_a_wave(3000)


class Recorded:
    """Every transaction and query from now on."""

    def __init__(self, store: MortalStore) -> None:
        self.transactions: list[Sequence[Write]] = []
        self.found: list[int] = []
        write, query = store.write, store.query

        def recorded_write(*writes: Write) -> None:
            self.transactions.append(writes)
            write(*writes)

        def recorded_query(partition: str, **options: Any) -> Page:
            page = query(partition, **options)
            if options.get("index") is Index.FIRST:
                self.found.append(len(page.records))
            return page

        store.write, store.query = recorded_write, recorded_query  # type: ignore[method-assign]


def cost_of_a_wave(devices: int) -> tuple[list[int], int]:
    """Writes in each transaction, and the most devices that one query read."""
    world = World()
    suite = world.service()
    for number in range(devices):
        suite.fleets.enrol(NewDevice(f"cam-{number}", "kitchen"))
    recorded = Recorded(world.store)
    promote(world, suite, "waste-1", waves=(Wave(50), Wave(100)), gate=Gate(0.9, 3))
    wave = [writes for writes in recorded.transactions if any(is_entry(each) for each in writes)]
    assert max(recorded.found) <= 50
    return [len(writes) for writes in wave], len(recorded.transactions)


def is_entry(write: Write) -> bool:
    return isinstance(write, Put) and write.record.body.get("action") == "fleet.wave_opened"


def test_a_camera_that_still_runs_a_superseded_model_is_not_back_on_its_factorys() -> None:
    world = World()
    suite = world.service()
    world.enrol(suite, "a")
    promote(world, suite, "waste-1")
    world.check_in(suite)
    begun = promote(world, suite, "waste-2")
    world.report(suite, "a", stage="downloading")
    assert suite.deployments.tally.counts(begun.id).of("seen") == 1
    suite.deployments.abort(begun.id, "tester", "no")
    world.report(suite, "a", stage="confirmed")
    assert go_on(world, suite, begun).state is State.REVERTING
    world.report(suite, "a", digest="fa" * 32, stage="idle")
    assert go_on(world, suite, begun).state is State.REVERTED


def test_a_dry_run_names_who_is_really_first_past_those_who_are_pinned_or_cannot() -> None:
    world = World()
    suite = world.service()
    world.enrol(suite, *"abcdef")
    suite.fleets.enrol(NewDevice("lens", "kitchen", engine="awscam"))
    plan = Plan(NO_ENDPOINT, FleetPlan("kitchen"))
    suite.deployments.promote("waste-1", "tester", Plan())
    for _ in range(3):
        suite.deployments.tick()
    before = suite.dry_runs.of("waste-1", plan)["fleet"]
    (first,) = before["first"]
    suite.fleets.pin(first, "waste-1")
    after = suite.dry_runs.of("waste-1", plan)["fleet"]
    assert first in after["pinned"]
    assert len(after["first"]) == 1
    assert after["first"] != before["first"]
    assert after["incompatible_engines"] == {"awscam": 1}


def test_a_paused_promotion_begins_nothing_and_is_taken_back_by_what_it_had_begun() -> None:
    world, suite = settled("a", "b")
    begun = promote(world, suite, "waste-2", waves=ALL, abort=AbortRules(failed=Limit(0.4, 1, is_exact=True)))
    suite.deployments.pause(begun.id, "tester")
    assert go_on(world, suite, begun).state is State.PAUSED
    world.check_in(suite, "a", fails=True)
    assert suite.deployments.get(begun.id).state is State.REVERTING
    world.check_in(suite)
    assert go_on(world, suite, begun).state is State.REVERTED


def test_a_fleet_that_cannot_run_the_model_is_refused() -> None:
    world = World()
    suite = world.service()
    suite.fleets.enrol(NewDevice("lens", "kitchen", engine="awscam"))
    for ask in (suite.dry_runs.of, lambda model, plan: suite.deployments.promote(model, "tester", plan)):
        with pytest.raises(InvalidPlanError, match="awscam"):
            ask("waste-1", Plan(NO_ENDPOINT, FleetPlan("kitchen")))


def test_what_no_camera_has_proved_does_not_succeed() -> None:
    world, suite = settled("a", "b")
    for name in ("a", "b"):
        suite.fleets.pin(name, "waste-1")
    begun = promote(world, suite, "waste-2")
    world.check_in(suite)
    assert go_on(world, suite, begun, seconds=1000).state is State.WAVE
    assert go_on(world, suite, begun, seconds=400_000).state is State.EXPIRED
    standing = suite.deployments.targets.fleet_target("kitchen").standing
    assert standing is not None
    assert standing.model.model_id == "waste-1"


def test_a_wave_in_which_nobody_is_left_who_can_does_not_hold_up_those_who_have_proved_it() -> None:
    world, suite = settled("a")
    for number in range(6):
        suite.fleets.enrol(NewDevice(f"lens-{number}", "kitchen", engine="awscam"))
    begun = promote(world, suite, "waste-2", waves=(Wave(99), Wave(100)), lengthen_after_s=5)
    for _ in range(5):
        world.check_in(suite, "a")
        begun = go_on(world, suite, begun, seconds=3)
    assert begun.state is State.SUCCEEDED


def test_named_cameras_that_cannot_or_may_not_are_refused_and_those_that_say_so_later_do_not_hold_up_the_others() -> (
    None
):
    world, suite = settled("a", "b")
    suite.fleets.enrol(NewDevice("lens", "kitchen", engine="awscam"))
    with pytest.raises(InvalidPlanError, match="None of the named"):
        promote(world, suite, "waste-2", devices=("lens",))
    suite.fleets.pin("b", "waste-1")
    with pytest.raises(InvalidPlanError, match="pinned"):
        promote(world, suite, "waste-2", devices=("a", "b"))
    begun = promote(world, suite, "waste-2", devices=("a", "lens"))
    world.runs["lens"] = None
    world.report(suite, "lens", stage="idle")
    world.check_in(suite, "a")
    assert go_on(world, suite, begun).state is State.SUCCEEDED


def meddle(world: World, at: int) -> None:
    """The timer takes a step of its own just before the write with this number."""
    write, counted = world.store.write, itertools.count(1)

    def meddled(*writes: Write) -> None:
        if next(counted) == at:
            mine = next(
                each.record.key for each in writes if isinstance(each, Put) and each.record.key.sort == "DEPLOYMENT"
            )
            found = world.store.records[mine]
            world.store.records[mine] = replace(found, version=found.version + 1)
        write(*writes)

    world.store.write = meddled  # type: ignore[method-assign]


def test_a_beginning_that_the_timer_takes_part_in_is_no_conflict() -> None:
    world, suite = settled("a")
    meddle(world, at=2)
    begun = suite.deployments.promote("waste-2", "tester", Plan(NO_ENDPOINT, FleetPlan("kitchen", ALL)))
    assert begun.id == world.deployments()[-1].id


@pytest.mark.parametrize("verb", ["pause", "resume", "abort"])
def test_an_admins_word_is_not_lost_to_the_timer(verb: str) -> None:
    world, suite = settled("a")
    begun = promote(world, suite, "waste-2")
    if verb == "resume":
        suite.deployments.pause(begun.id, "tester")
    meddle(world, at=1)
    words = [begun.id, "tester"] + (["no"] if verb == "abort" else [])
    state = getattr(suite.deployments, verb)(*words).state
    assert (
        state in {"pause": (State.PAUSED,), "resume": (State.WAVE,), "abort": (State.REVERTING, State.REVERTED)}[verb]
    )
