"""What a camera may still run in truth is what its answers are held against, and `at` says what it was given."""

from __future__ import annotations

from chalicelib.domain.counting import Gate
from chalicelib.domain.deployment import DeploymentState
from chalicelib.domain.plan import EndpointPlan, FleetPlan, Plan
from chalicelib.services.promotion_suite import PromotionSuite
from tests.unit.promotion_world import World, answer_of
from tests.unit.test_promotion_service import ALL, go_on, promote, settled

State = DeploymentState


def digest_of(suite: PromotionSuite, model: str) -> str:
    return str(suite.deployments.start.registry.get(model).digest)


def half_reached(world: World, suite: PromotionSuite, model: str = "waste-2") -> str:
    """One of two cameras runs it, and the wave waits for the other."""
    begun = promote(world, suite, model, gate=Gate(1.0, 2))
    world.check_in(suite, "a")
    world.now_s += 10
    return begun.id


def test_what_was_taken_back_stays_a_rival_of_what_stands() -> None:
    world, suite = settled("a", "b")
    bad = half_reached(world, suite)
    suite.deployments.abort(bad, "tester", "no")
    world.check_in(suite)
    assert go_on(world, suite, suite.deployments.get(bad)).state is State.REVERTED
    assigned = suite.check_ins.assigned(suite.fleets.get("a"))
    assert (assigned.direction, assigned.rivals) == ("standing", (digest_of(suite, "waste-2"),))


def test_a_question_that_other_photos_are_asked_for_has_another_nonce() -> None:
    world, suite = settled("a", "b")
    boot = "boot-of-b-000001"
    before = suite.check_ins.target(suite.fleets.get("b"), boot)
    bad = half_reached(world, suite)
    suite.deployments.abort(bad, "tester", "no")
    world.check_in(suite, "a")
    go_on(world, suite, suite.deployments.get(bad))
    after = suite.check_ins.target(suite.fleets.get("b"), boot)
    assert (before["deployment"], before["digest"]) == (after["deployment"], after["digest"])
    assert before["nonce"] != after["nonce"]


def test_a_camera_that_was_proved_before_is_not_asked_again_for_a_new_rival() -> None:
    world, suite = settled("a", "b")
    bad = half_reached(world, suite)
    suite.deployments.abort(bad, "tester", "no")
    world.check_in(suite, "a")
    go_on(world, suite, suite.deployments.get(bad))
    assert world.report(suite, "b", digest=digest_of(suite, "waste-1")) == "verified"


def test_what_a_camera_was_given_by_name_is_a_rival_of_the_fleets_next_model() -> None:
    world, suite = settled("a", "b")
    begun = promote(world, suite, "waste-2", devices=("a",))
    world.check_in(suite, "a")
    assert go_on(world, suite, begun).state is State.SUCCEEDED
    assert promote(world, suite, "waste-3").rivals == (digest_of(suite, "waste-1"), digest_of(suite, "waste-2"))


def test_a_camera_that_is_stuck_on_a_superseded_model_is_named_also_on_the_way() -> None:
    world, suite = settled("a", "b")
    half_reached(world, suite)
    world.endpoints.hanging.add(digest_of(suite, "waste-3"))
    suite.deployments.promote("waste-3", "tester", Plan(EndpointPlan(), FleetPlan("kitchen", ALL)))
    target = suite.check_ins.target(suite.fleets.get("a"), "boot-of-a-000000")
    assert (target["direction"], target["model"]) == ("standing", "waste-1")
    stuck = [
        {"photo": each["photo"], "answer": answer_of(digest_of(suite, "waste-2"), each["photo"])}
        for each in target["golden"]
    ]
    members = {"digest": target["digest"], "deployment": target["deployment"], "nonce": target["nonce"]}
    assert world.report(suite, "a", **members, answers=stuck) == "refused"


def test_at_says_that_a_fleet_runs_what_stood_once_its_promotion_is_superseded() -> None:
    world, suite = settled("a", "b")
    begun = half_reached(world, suite)
    was = suite.history.live_at(world.now_s)["fleet:kitchen"]
    assert (was["model"], was["deployment"]) == ("waste-2", begun)
    world.endpoints.hanging.add(digest_of(suite, "waste-3"))
    third = suite.deployments.promote("waste-3", "tester", Plan(EndpointPlan(), FleetPlan("kitchen", ALL)))
    live = suite.history.live_at(world.now_s)["fleet:kitchen"]
    assert live == {
        "since_s": world.now_s, "model": "waste-1", "deployment": third.id, "wave": None, "elsewhere": "waste-1"
    }  # fmt: skip


def test_at_says_so_too_where_the_newer_promotion_is_another_targets() -> None:
    world, suite = settled("a", "b")
    both = Plan(EndpointPlan(), FleetPlan("kitchen", ALL))
    assert go_on(world, suite, suite.deployments.promote("waste-2", "tester", both)).state is State.WAVE
    world.now_s += 10
    third = suite.deployments.promote("waste-3", "tester", Plan())
    live = suite.history.live_at(world.now_s)["fleet:kitchen"]
    assert (live["model"], live["deployment"]) == ("waste-1", third.id)
    assert suite.deployments.targets.fleet_target("kitchen").overlay is None


def test_at_the_very_moment_of_a_change_it_is_live_and_a_moment_before_it_is_not() -> None:
    world, suite = settled("a", "b")
    world.now_s = 2000.0005
    begun = promote(world, suite, "waste-2", gate=Gate(1.0, 2))
    opened_at_s = begun.waves[0].opened_at_s
    assert suite.history.live_at(opened_at_s)["fleet:kitchen"]["model"] == "waste-2"
    assert suite.history.live_at(opened_at_s - 0.0001)["fleet:kitchen"]["model"] == "waste-1"
