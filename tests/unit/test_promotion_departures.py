"""Cameras that are revoked, moved or pinned while a promotion is under way."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chalicelib.domain.check_in import asked_for
from chalicelib.domain.counting import NAMES, AbortRules, Counts, Gate, Limit
from chalicelib.domain.deployment import DeploymentState
from chalicelib.domain.device import Device
from chalicelib.domain.errors import InvalidKeyError, TaskMismatchError
from chalicelib.domain.inference import Task
from chalicelib.domain.plan import Plan
from chalicelib.domain.ports import Write
from chalicelib.services.promotion_suite import PromotionSuite
from tests.unit.promotion_world import World
from tests.unit.test_promotion_service import go_on, promote, settled

State = DeploymentState
Leave = Callable[[PromotionSuite, str], object]
WAYS: dict[str, Leave] = {
    "revoked": lambda suite, name: suite.fleets.revoke(name),
    "moved": lambda suite, name: suite.fleets.change(name, "garden", None),
    "pinned": lambda suite, name: suite.fleets.pin(name, "waste-1"),
}
ways = pytest.mark.parametrize("leave", WAYS.values(), ids=WAYS)


def without(world: World, name: str) -> None:
    world.runs.pop(name)


@ways
@pytest.mark.parametrize("shards", [1, 64])
def test_a_camera_that_leaves_undecided_does_not_time_out_and_holds_nothing_up(leave: Leave, shards: int) -> None:
    world, suite = settled("a", "b", "c", shards=shards)
    begun = promote(world, suite, "waste-2", gate=Gate(1.0, 1))
    world.report(suite, "a", stage="downloading")
    leave(suite, "a")
    without(world, "a")
    world.check_in(suite)
    ended = go_on(world, suite, begun, seconds=1000)
    assert ended.state is State.SUCCEEDED
    counts = suite.deployments.tally.counts(begun.id)
    assert (counts.of("seen"), counts.of("verified"), counts.of("timed_out")) == (2, 2, 0)


@ways
def test_the_way_back_does_not_wait_for_a_camera_that_left(leave: Leave) -> None:
    world, suite = settled("a", "b", "c")
    loose = AbortRules(failed=Limit(1.0, 9, is_exact=True))
    begun = promote(world, suite, "waste-2", gate=Gate(1.0, 3), abort=loose)
    world.check_in(suite, "a")
    world.check_in(suite, "b", fails=True)
    leave(suite, "a")
    without(world, "a")
    suite.deployments.abort(begun.id, "tester", "no")
    world.check_in(suite)
    assert go_on(world, suite, begun).state is State.REVERTED
    members = list(suite.deployments.tally.members(begun.id))
    assert [(each.device, each.outcome, each.back) for each in members if each.outcome] == [
        ("a", "verified", "left"),
        ("b", "failed", "verified"),
    ]
    counts = suite.deployments.tally.counts(begun.id)
    assert recounted(counts)["back"] == sum(each.back is not None for each in members)


@ways
def test_a_camera_that_leaves_while_it_is_taken_back_is_not_named_as_missing(leave: Leave) -> None:
    world, suite = settled("a", "b", "c")
    begun = promote(world, suite, "waste-2", gate=Gate(1.0, 3), revert_timeout_s=50)
    world.check_in(suite, "a")
    world.check_in(suite, "b")
    suite.deployments.abort(begun.id, "tester", "no")
    leave(suite, "a")
    ended = go_on(world, suite, begun, seconds=20)
    assert ended.state is State.REVERT_INCOMPLETE
    assert ended.outcome is not None
    assert ended.outcome["not_back"] == ["b"]


def test_a_camera_that_comes_again_is_waited_for_again() -> None:
    world, suite = settled("a", "b", "c")
    begun = promote(world, suite, "waste-2", gate=Gate(1.0, 3))
    world.check_in(suite, "a")
    suite.fleets.pin("a", "waste-1")
    assert suite.deployments.tally.counts(begun.id).of("back") == 1
    suite.fleets.pin("a", None)
    assert suite.deployments.tally.counts(begun.id).of("back") == 0
    suite.deployments.abort(begun.id, "tester", "no")
    assert go_on(world, suite, begun).state is State.REVERTING
    world.check_in(suite, "a")
    assert go_on(world, suite, begun).state is State.REVERTED


@ways
@pytest.mark.parametrize("is_seen", [True, False])
def test_a_named_camera_that_leaves_is_not_waited_for(leave: Leave, is_seen: bool) -> None:
    world, suite = settled("a", "b", "c")
    begun = promote(world, suite, "waste-2", devices=("a", "b"))
    if is_seen:
        world.report(suite, "a", stage="downloading")
    leave(suite, "a")
    without(world, "a")
    world.check_in(suite, "b")
    assert go_on(world, suite, begun).state is State.SUCCEEDED
    counts = suite.deployments.tally.counts(begun.id)
    assert (counts.of("seen"), counts.of("verified"), counts.of("incompatible")) == (1, 1, 1)


def test_a_named_camera_that_comes_again_is_waited_for_again() -> None:
    world, suite = settled("a", "b")
    begun = promote(world, suite, "waste-2", devices=("a", "b"))
    suite.fleets.pin("a", "waste-1")
    suite.fleets.pin("a", None)
    world.check_in(suite, "b")
    assert go_on(world, suite, begun).state is State.WAVE
    world.check_in(suite, "a")
    assert go_on(world, suite, begun).state is State.SUCCEEDED


def test_a_camera_that_no_promotion_has_reached_leaves_as_it_came() -> None:
    world, suite = settled("a", "b")
    begun = promote(world, suite, "waste-2", gate=Gate(1.0, 1))
    suite.fleets.revoke("a")
    without(world, "a")
    world.check_in(suite)
    assert go_on(world, suite, begun).state is State.SUCCEEDED
    assert recounted(suite.deployments.tally.counts(begun.id))["seen"] == 1


def test_a_fleet_that_something_was_promoted_to_keeps_its_task() -> None:
    world, suite = settled("a")
    with pytest.raises(TaskMismatchError, match="take another fleet"):
        suite.fleets.change_fleet("kitchen", {"task": Task.COUNT}, "tester")
    assert (
        suite.fleets.change_fleet("kitchen", {"task": Task.CLASSIFY, "checks_per_s": 5.0}, "tester").checks_per_s == 5
    )
    world.enrol(suite, "b", fleet="garden")
    assert suite.fleets.change_fleet("garden", {"task": Task.COUNT}, "tester").task is Task.COUNT


def test_a_pinned_camera_is_proved_on_the_photos_of_the_fleets_present_task() -> None:
    world = World()
    suite = world.service()
    world.enrol(suite, "a")
    go_on(world, suite, suite.deployments.promote("waste-1", "tester", Plan()))
    begun = promote(world, suite, "waste-1")
    suite.deployments.abort(begun.id, "tester", "no")
    suite.fleets.change_fleet("kitchen", {"task": Task.COUNT}, "tester")
    assert suite.check_ins.target(suite.fleets.get("a"), "boot-of-a-000000")["task"] == "count"


def recounted(counts: Counts) -> dict[str, int]:
    return {name: counts.of(name) for name in NAMES}


def test_a_report_in_the_moment_of_a_change_does_not_get_in_its_way() -> None:
    world, suite = settled("a", "b")
    promote(world, suite, "waste-2", gate=Gate(1.0, 2))
    leaving = suite.fleets.departures.leaving
    reports = iter(range(1))

    def overtaken(device: Device) -> list[Write]:
        writes = leaving(device)
        if next(reports, None) is not None:
            world.check_in(suite, "a")
        return writes

    object.__setattr__(suite.fleets.departures, "leaving", overtaken)
    suite.fleets.pin("a", "waste-1")
    assert suite.fleets.get("a").pinned is not None
    counts = suite.deployments.tally.counts(world.deployments()[-1].id)
    assert (counts.of("verified"), counts.of("back")) == (1, 1)


@pytest.mark.parametrize("way", ["moved", "pinned"])
def test_a_first_report_that_a_change_overtakes_does_not_come_into_the_promotion(way: str) -> None:
    world, suite = settled("a", "b")
    begun = promote(world, suite, "waste-2", gate=Gate(1.0, 2))
    as_it_was = suite.fleets.get("a")
    WAYS[way](suite, "a")
    report = asked_for(
        {"boot": "boot-of-a-000000", "previous_boot": None, "sequence": 50, "digest": world.runs["a"], "stage": "idle"}
    )
    told = suite.check_ins.report(as_it_was, report)
    assert told.assigned.direction == {"moved": "factory", "pinned": "pinned"}[way]
    assert suite.deployments.tally.counts(begun.id).of("seen") == 0


def test_a_first_report_that_a_revocation_overtakes_is_refused_and_leaves_nothing() -> None:
    world, suite = settled("a", "b")
    begun = promote(world, suite, "waste-2", gate=Gate(1.0, 2))
    as_it_was = suite.fleets.get("a")
    suite.fleets.revoke("a")
    report = asked_for(
        {"boot": "boot-of-a-000000", "previous_boot": None, "sequence": 50, "digest": None, "stage": "idle"}
    )
    with pytest.raises(InvalidKeyError, match="revoked"):
        suite.check_ins.report(as_it_was, report)
    assert suite.deployments.tally.counts(begun.id).of("seen") == 0
    assert suite.fleets.state("a").seen_at_s == 0
