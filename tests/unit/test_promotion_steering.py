"""Pausing, resuming and letting a wave begin: no time runs in a pause, and a word counts once."""

from __future__ import annotations

import pytest

from chalicelib.domain.counting import Gate
from chalicelib.domain.deployment import Deployment, DeploymentState
from chalicelib.domain.errors import IllegalTransitionError
from chalicelib.domain.plan import Plan, Wave
from chalicelib.services.promotion_suite import PromotionSuite
from tests.unit.promotion_world import World
from tests.unit.test_promotion_service import go_on, promote, settled

State = DeploymentState
DAY_S = 24 * 3600.0


def paused_and_resumed(world: World, suite: PromotionSuite, deployment: Deployment, seconds: float) -> Deployment:
    suite.deployments.pause(deployment.id, "tester")
    world.now_s += seconds
    suite.deployments.tick()
    return suite.deployments.resume(deployment.id, "tester")


def test_a_soak_goes_on_after_a_pause_where_it_stood() -> None:
    world, suite = settled("a", "b")
    begun = promote(world, suite, "waste-2", waves=(Wave(100, 300),))
    world.check_in(suite)
    go_on(world, suite, begun)
    assert paused_and_resumed(world, suite, begun, 10 * DAY_S).state is State.WAVE
    assert go_on(world, suite, begun, seconds=70).state is State.WAVE
    assert go_on(world, suite, begun, seconds=10).state is State.SUCCEEDED


def test_a_pause_takes_nothing_of_the_promotions_time() -> None:
    world, suite = settled("a", "b")
    begun = promote(world, suite, "waste-2")
    assert paused_and_resumed(world, suite, begun, Plan().timeout_s + DAY_S).state is State.WAVE
    assert go_on(world, suite, begun, seconds=Plan().timeout_s / 3).state is State.EXPIRED


def test_an_arc_does_not_reach_further_for_a_pause() -> None:
    world = World()
    suite = world.service()
    world.enrol(suite, *(f"cam-{number}" for number in range(40)))
    begun = promote(world, suite, "waste-1", waves=(Wave(1), Wave(100)), lengthen_after_s=100)
    assert paused_and_resumed(world, suite, begun, 1000).waves[0].lengthened == 0
    assert go_on(world, suite, begun, seconds=30).waves[0].lengthened == 1


def test_a_word_that_comes_twice_lets_one_wave_begin() -> None:
    world = World()
    suite = world.service()
    world.enrol(suite, *"abcdefgh")
    waves = (Wave(30), Wave(60, confirm=True), Wave(100, confirm=True))
    begun = promote(world, suite, "waste-1", waves=waves)
    with pytest.raises(IllegalTransitionError, match=r"waits for no word\. Wave 0: 0 of 0"):
        suite.deployments.resume(begun.id, "tester")
    for _ in range(3):
        world.check_in(suite)
        go_on(world, suite, begun)
    assert suite.deployments.resume(begun.id, "tester").wave == 1
    with pytest.raises(IllegalTransitionError, match="waits for no word"):
        suite.deployments.resume(begun.id, "tester")
    for _ in range(3):
        world.check_in(suite)
        begun = go_on(world, suite, begun)
    assert (begun.state, begun.wave) == (State.WAVE, 1)


def test_a_resume_after_a_pause_is_no_word_for_the_next_wave() -> None:
    world = World()
    suite = world.service()
    world.enrol(suite, "a", "b", "c", "d")
    begun = promote(world, suite, "waste-1", waves=(Wave(30), Wave(100, confirm=True)))
    for _ in range(3):
        world.check_in(suite)
        go_on(world, suite, begun)
    assert paused_and_resumed(world, suite, begun, 5).wave == 0


def test_a_fleet_that_the_first_arc_holds_as_a_whole_soaks_as_its_last_wave_would() -> None:
    world, suite = settled("a", "b")
    suite.fleets.pin("b", "waste-1")
    begun = promote(world, suite, "waste-2", waves=(Wave(50), Wave(100, 300)), gate=Gate(0.5, 2))
    world.check_in(suite, "a")
    assert go_on(world, suite, begun, seconds=20).state is State.WAVE
    assert go_on(world, suite, begun, seconds=80).state is State.SUCCEEDED
