"""The state machine: what comes next, or why it waits."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from chalicelib.domain.canary import Variant, VariantCounts, canary_fault
from chalicelib.domain.counting import Counts, Gate
from chalicelib.domain.deployment import TERMINAL, Deployment, DeploymentState, ModelRef, OpenWave
from chalicelib.domain.inference import Task
from chalicelib.domain.plan import EndpointPlan, FleetPlan, Plan, Wave
from chalicelib.domain.ports import EndpointState, EndpointStatus
from chalicelib.domain.promotion import Act, Action, Facts, Lengthen, Move, Note, Open, Wait, decide
from chalicelib.domain.ring import RING

State = DeploymentState
MODEL = ModelRef("waste-2", 2, "d" * 64, 1000, ("onnxruntime",))
FLEET = FleetPlan("kitchen", (Wave(10, 60), Wave(50, 60, confirm=True), Wave(100, 30)), Gate(0.9, 3))
IN_SERVICE = EndpointStatus(EndpointState.IN_SERVICE)


def deployment(state: State, plan: Plan | None = None, **changes: object) -> Deployment:
    plan = plan or Plan(EndpointPlan(), FLEET)
    begun = Deployment("p1", MODEL, Task.CLASSIFY, state, plan, "endpoint", 0.0, 0.0, "tester", devices=100)
    return replace(begun, **changes)


def wave(number: int = 0, **changes: object) -> Deployment:
    lengths = (RING // 10, RING // 2, RING)
    opened = tuple(OpenWave(length, 3, 0.0) for length in lengths[: number + 1])
    return deployment(State.WAVE, waves=(*opened[:-1], replace(opened[-1], **changes)))


def seen(number: int = 0, **amounts: int) -> Counts:
    return Counts({number: amounts})


def test_it_begins_by_proving_the_endpoint() -> None:
    assert decide(deployment(State.PENDING), Facts(1)) == Move(State.PROVING_ENDPOINT)


@pytest.mark.parametrize(
    ("facts", "decision"),
    [
        (Facts(1), Act(Action.CREATE_ENDPOINT)),
        (Facts(1, IN_SERVICE), Act(Action.PROVE_ENDPOINT)),
        (Facts(1, IN_SERVICE, answers=None, proof=""), Act(Action.FILL_ANSWERS)),
        (Facts(1, IN_SERVICE, proof="wrong answers"), Move(State.FAILED, "wrong answers")),
        (Facts(1, IN_SERVICE, answers="alike", proof=""), Move(State.FAILED, "alike")),
        (Facts(1, IN_SERVICE, proof=""), Move(State.ENDPOINT_LIVE)),
        (
            Facts(1, EndpointStatus(EndpointState.FAILED, "no image")),
            Move(State.FAILED, "The endpoint could not be made: no image"),
        ),
        (Facts(1, EndpointStatus(EndpointState.CREATING)), Wait("The endpoint is being made.")),
    ],
)
def test_an_endpoint_is_made_proved_and_only_then_live(facts: Facts, decision: object) -> None:
    assert decide(deployment(State.PROVING_ENDPOINT), facts) == decision


def test_an_endpoint_that_hangs_fails() -> None:
    decision = decide(deployment(State.PROVING_ENDPOINT), Facts(1801, EndpointStatus(EndpointState.CREATING)))
    assert isinstance(decision, Move)
    assert decision.state is State.FAILED


def test_a_fleet_alone_needs_no_endpoint_but_to_fill_answers_in() -> None:
    alone = deployment(State.PROVING_ENDPOINT, Plan(None, FLEET))
    assert decide(alone, Facts(1)) == Open(0)
    assert decide(alone, Facts(1, answers=None)) == Act(Action.CREATE_ENDPOINT)
    assert decide(alone, Facts(1, answers="alike")) == Move(State.FAILED, "alike")


def test_a_canary_stands_beside_a_live_model_only() -> None:
    plan = Plan(EndpointPlan(canary_share=0.1))
    assert decide(deployment(State.PROVING_ENDPOINT, plan), Facts(1, IN_SERVICE, proof="", has_alias=True)) == Move(
        State.CANARY
    )
    assert decide(deployment(State.PROVING_ENDPOINT, plan), Facts(1, IN_SERVICE, proof="")) == Move(State.ENDPOINT_LIVE)


@pytest.mark.parametrize(
    ("now_s", "canary", "primary", "state"),
    [
        (400, Variant(30, 3), Variant(100, 10), State.ENDPOINT_LIVE),
        (100, Variant(30, 3), Variant(100, 10), None),
        (400, Variant(10, 0), Variant(100, 10), None),
        (1, Variant(30, 15), Variant(100, 10), State.REVERTING),
        (1, Variant(15, 0, 15), Variant(100, 0, 2), State.REVERTING),
        (1, Variant(0, 0, 30), Variant(100, 0, 2), State.REVERTING),
        # Nine of thirty and fourteen of a hundred: perhaps the same, perhaps not.
        (400, Variant(30, 9), Variant(100, 14), None),
        (400, Variant(300, 90), Variant(1000, 140), State.REVERTING),
        (400, Variant(30, 15), Variant(0, 0), None),
    ],
)
def test_a_canary_is_watched_and_left_or_taken_back(
    now_s: float, canary: Variant, primary: Variant, state: State | None
) -> None:
    begun = deployment(State.CANARY, Plan(EndpointPlan(canary_share=0.1)))
    decision = decide(begun, Facts(now_s, variants=VariantCounts(canary, primary)))
    assert isinstance(decision, Wait) if state is None else (isinstance(decision, Move) and decision.state is state)


def test_a_canary_as_good_as_the_primary_is_seldom_taken_back() -> None:
    plan, taken_back = EndpointPlan(canary_share=0.1), 0
    for seed in range(40):
        draw = random.Random(seed)
        answered = {True: [0, 0], False: [0, 0]}
        for _ in range(400):
            counted = answered[draw.random() < plan.canary_share]
            counted[0] += 1
            counted[1] += draw.random() < 0.2
            if canary_fault(plan, VariantCounts(Variant(*answered[True]), Variant(*answered[False]))):
                taken_back += 1
                break
    assert taken_back <= 1


def test_a_live_endpoint_soaks_before_the_fleet() -> None:
    soaking = deployment(State.ENDPOINT_LIVE, Plan(EndpointPlan(soak_s=60), FLEET))
    assert isinstance(decide(soaking, Facts(59)), Wait)
    assert decide(soaking, Facts(60)) == Open(0)
    assert decide(deployment(State.ENDPOINT_LIVE, Plan()), Facts(0)) == Move(State.SUCCEEDED)


def test_a_gate_opens_after_its_soak_and_the_soak_begins_when_its_counts_are_met() -> None:
    good = Facts(500, counts=seen(seen=10, verified=10))
    noted = decide(wave(), good)
    assert isinstance(noted, Note)
    assert noted.deployment.waves[-1].met_at_s == 500
    assert isinstance(decide(wave(met_at_s=500.0), good), Wait)
    asked = decide(wave(met_at_s=440.0), good)
    assert isinstance(asked, Wait)
    assert "resume" in asked.why
    assert decide(replace(wave(met_at_s=440.0), confirmed=1), good) == Open(1)


def test_a_soak_begins_anew_when_the_gate_shut_meanwhile() -> None:
    shut = decide(wave(met_at_s=1.0), Facts(500, counts=seen(seen=10, verified=5)))
    assert isinstance(shut, Note)
    assert shut.deployment.waves[-1].met_at_s is None


def test_an_arc_in_which_too_few_were_seen_is_lengthened_at_its_end() -> None:
    assert isinstance(decide(wave(), Facts(899, counts=seen(seen=2, verified=2))), Wait)
    assert decide(wave(), Facts(900, counts=seen(seen=2, verified=2))) == Lengthen()
    assert isinstance(decide(wave(lengthened=1), Facts(900, counts=seen(seen=2, verified=2))), Wait)
    assert isinstance(decide(wave(length=RING), Facts(9000, counts=seen(seen=2, verified=2))), Wait)


def test_a_gate_that_those_who_were_seen_cannot_open_any_more_says_what_helps() -> None:
    stuck = decide(wave(), Facts(1, counts=seen(seen=10, verified=8, timed_out=2)))
    waiting = decide(wave(), Facts(1, counts=seen(seen=10, verified=8, timed_out=1)))
    assert isinstance(stuck, Wait)
    assert isinstance(waiting, Wait)
    assert "abort" in stuck.why
    assert "abort" not in waiting.why


def test_the_last_wave_ends_it() -> None:
    last = wave(2, met_at_s=0.0)
    assert decide(last, Facts(30, counts=seen(2, seen=50, verified=50))) == Move(State.SUCCEEDED)


def test_a_broken_rule_takes_everything_back() -> None:
    decision = decide(wave(), Facts(1, counts=seen(seen=10, failed=5)))
    assert isinstance(decision, Move)
    assert decision.state is State.REVERTING


def test_a_wave_that_takes_too_long_expires_and_an_endpoint_goes_back() -> None:
    late = Facts(8 * 24 * 3600.0, IN_SERVICE, counts=seen(seen=1, verified=1))
    states = {state: decide(deployment(state, waves=wave().waves), late) for state in (State.WAVE, State.CANARY)}
    assert [each.state for each in states.values() if isinstance(each, Move)] == [State.EXPIRED, State.REVERTING]
    proving = decide(deployment(State.PROVING_ENDPOINT), late)
    assert isinstance(proving, Move)
    assert proving.state is State.FAILED


def test_a_revert_ends_when_every_camera_that_was_reached_is_back() -> None:
    going_back = deployment(State.REVERTING)
    assert isinstance(decide(going_back, Facts(10, counts=seen(seen=5, back=4))), Wait)
    assert decide(going_back, Facts(10, counts=seen(seen=5, back=5))) == Move(State.REVERTED)
    assert decide(going_back, Facts(10)) == Move(State.REVERTED)
    assert decide(going_back, Facts(3600, counts=seen(seen=5, back=4))) == Move(State.REVERT_INCOMPLETE)


@pytest.mark.parametrize("state", [*TERMINAL, State.PAUSED], ids=lambda state: state.value)
def test_what_has_ended_or_is_paused_waits(state: State) -> None:
    assert isinstance(decide(deployment(state), Facts(1e9)), Wait)


def test_named_devices_are_one_wave() -> None:
    plan = Plan(None, replace(FLEET, devices=("a", "b"), waves=(Wave(100),)))
    named = deployment(State.WAVE, plan, waves=(OpenWave(RING, 2, 0.0, met_at_s=0.0),))
    assert isinstance(decide(named, Facts(1, counts=seen(seen=2, verified=1))), Note)
    assert decide(named, Facts(1, counts=seen(seen=2, verified=2))) == Move(State.SUCCEEDED)


def test_a_deployment_comes_back_from_its_record_as_it_was() -> None:
    before = replace(wave(1, met_at_s=3.5), rivals=("a" * 64,), start=RING - 1, outcome={"verified": 3})
    assert Deployment.from_body(before.to_body(), 0) == before
