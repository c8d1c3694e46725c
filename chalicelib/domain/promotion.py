"""The promotion's state machine: what comes next, or why it waits. Pure: the facts and the time come in.

pending -> proving_endpoint -> canary -> endpoint_live (soak) -> wave k (gate) -> succeeded | expired; paused;
reverting -> reverted | revert_incomplete; superseded; failed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

from chalicelib.domain import waves
from chalicelib.domain.canary import VariantCounts, canary_doubt, canary_fault
from chalicelib.domain.counting import Counts
from chalicelib.domain.deployment import BEFORE_LIVE, Deployment, DeploymentState
from chalicelib.domain.plan import EndpointPlan, FleetPlan
from chalicelib.domain.ports import EndpointState, EndpointStatus

State = DeploymentState


class Action(Enum):
    """What is done to the world before the next decision; doing it again is harmless."""

    FILL_ANSWERS = "fill_answers"
    CREATE_ENDPOINT = "create_endpoint"
    PROVE_ENDPOINT = "prove_endpoint"


@dataclass(frozen=True)
class Facts:
    """What a decision needs. `proof`: None until the endpoint was asked, '' when it passed, else why it did not.

    `answers`: None while the pool's answers are not all there, '' when they are, else why they cannot be used.
    """

    now_s: float
    endpoint: EndpointStatus | None = None
    answers: str | None = ""
    proof: str | None = None
    has_alias: bool = False
    variants: VariantCounts = field(default_factory=VariantCounts)
    counts: Counts = field(default_factory=Counts)


@dataclass(frozen=True)
class Wait:
    why: str


@dataclass(frozen=True)
class WaitForWord(Wait):
    """Of an admin, who lets the next wave begin."""


@dataclass(frozen=True)
class Act:
    action: Action


@dataclass(frozen=True)
class Move:
    """To another state, with everything that follows from it."""

    state: DeploymentState
    reason: str = ""


@dataclass(frozen=True)
class Open:
    """The arc of the next wave."""

    wave: int


@dataclass(frozen=True)
class Lengthen:
    """The open wave's arc: too few devices of it were seen."""


@dataclass(frozen=True)
class Note:
    """The deployment itself, changed; nothing that is live changes."""

    deployment: Deployment


Decision = Wait | Act | Move | Open | Lengthen | Note


def decide(deployment: Deployment, facts: Facts) -> Decision:
    if deployment.is_terminal:
        return Wait(f"It has ended as {deployment.state.value}.")
    if deployment.state is State.PAUSED:
        return _paused(deployment, facts)
    age_s = facts.now_s - deployment.created_at_s - deployment.slept_s
    if deployment.state is not State.REVERTING and age_s > deployment.plan.timeout_s:
        return _out_of_time(deployment)
    return _DECIDERS[deployment.state](deployment, facts)


def _paused(deployment: Deployment, facts: Facts) -> Decision:
    """Nothing new is begun; what was begun goes on being watched."""
    fault = None
    if deployment.paused_from is State.CANARY:
        fault = canary_fault(deployment.plan.endpoint or EndpointPlan(), facts.variants)
    elif deployment.paused_from is State.WAVE:
        fault = waves.broken_rule(_fleet_plan(deployment), facts.counts, deployment.devices)
    if fault:
        return Move(State.REVERTING, fault)
    return Wait(f"It is paused; POST /deploy/{deployment.id}/resume lets it go on.")


def _out_of_time(deployment: Deployment) -> Decision:
    """What is proved stays where it is; what has not come further than the endpoint goes back."""
    why = f"It did not come to its end within {deployment.plan.timeout_s:g} s."
    if deployment.state is State.WAVE:
        return Move(State.EXPIRED, why)
    return Move(State.FAILED if deployment.state in BEFORE_LIVE else State.REVERTING, why)


def _pending(deployment: Deployment, facts: Facts) -> Decision:
    return Move(State.PROVING_ENDPOINT)


def _proving(deployment: Deployment, facts: Facts) -> Decision:
    """An endpoint is made also where only the fleet is promoted and the pool's answers are missing: to fill them in."""
    if deployment.plan.endpoint is None and facts.answers is not None:
        return Move(State.FAILED, facts.answers) if facts.answers else _after_endpoint(deployment)
    status = facts.endpoint or EndpointStatus(EndpointState.ABSENT)
    if status.state is EndpointState.ABSENT:
        return Act(Action.CREATE_ENDPOINT)
    if status.state is EndpointState.FAILED:
        return Move(State.FAILED, f"The endpoint could not be made: {status.reason or 'no reason was given'}")
    if status.state is EndpointState.CREATING:
        return _creating(deployment, facts)
    return _in_service(deployment, facts)


def _creating(deployment: Deployment, facts: Facts) -> Decision:
    timeout_s = (deployment.plan.endpoint or EndpointPlan()).create_timeout_s
    if facts.now_s - deployment.since_s > timeout_s:
        return Move(State.FAILED, f"The endpoint was still being made after {timeout_s:g} s.")
    return Wait("The endpoint is being made.")


def _in_service(deployment: Deployment, facts: Facts) -> Decision:
    if facts.proof is None:
        return Act(Action.PROVE_ENDPOINT)
    if facts.proof:
        return Move(State.FAILED, facts.proof)
    if facts.answers is None:
        return Act(Action.FILL_ANSWERS)
    if facts.answers:
        return Move(State.FAILED, facts.answers)
    plan = deployment.plan.endpoint
    if plan is not None:
        return Move(State.CANARY if plan.canary_share > 0 and facts.has_alias else State.ENDPOINT_LIVE)
    return _after_endpoint(deployment)


def _canary(deployment: Deployment, facts: Facts) -> Decision:
    plan = deployment.plan.endpoint or EndpointPlan()
    fault = canary_fault(plan, facts.variants)
    if fault:
        return Move(State.REVERTING, fault)
    if facts.variants.canary.answers < plan.canary_minimum:
        return Wait(f"The canary has answered {facts.variants.canary.answers} of {plan.canary_minimum} photos.")
    left_s = deployment.since_s + plan.canary_s - facts.now_s
    if left_s > 0:
        return Wait(f"The canary is watched for another {left_s:.0f} s.")
    doubt = canary_doubt(plan, facts.variants)
    return Wait(f"{doubt} More answers will tell whether that is chance.") if doubt else Move(State.ENDPOINT_LIVE)


def _endpoint_live(deployment: Deployment, facts: Facts) -> Decision:
    plan = deployment.plan.endpoint or EndpointPlan()
    left_s = deployment.since_s + plan.soak_s - facts.now_s
    return Wait(f"The endpoint soaks for another {left_s:.0f} s.") if left_s > 0 else _after_endpoint(deployment)


def _after_endpoint(deployment: Deployment) -> Decision:
    return Open(0) if deployment.plan.fleet else Move(State.SUCCEEDED)


def _wave(deployment: Deployment, facts: Facts) -> Decision:
    plan = _fleet_plan(deployment)
    rule = waves.broken_rule(plan, facts.counts, deployment.devices)
    if rule:
        return Move(State.REVERTING, rule)
    opened = deployment.waves[-1]
    if not waves.is_met(plan, opened, facts.counts, deployment.wave):
        return _unmet(deployment, plan, facts)
    if opened.met_at_s is None:
        return Note(deployment.with_wave(replace(opened, met_at_s=facts.now_s)))
    left_s = opened.met_at_s + waves.soak_s(plan, opened, deployment.wave) - facts.now_s
    if left_s > 0:
        return Wait(f"Wave {deployment.wave} is verified and soaks for another {left_s:.0f} s.")
    return _leave(deployment, plan)


def _unmet(deployment: Deployment, plan: FleetPlan, facts: Facts) -> Decision:
    opened = deployment.waves[-1]
    if opened.met_at_s is not None:
        return Note(deployment.with_wave(replace(opened, met_at_s=None)))
    if waves.is_to_lengthen(plan, opened, facts.counts, deployment.wave, facts.now_s):
        return Lengthen()
    return Wait(waves.why_shut(plan, opened, facts.counts, deployment.wave))


def _leave(deployment: Deployment, plan: FleetPlan) -> Decision:
    following = deployment.wave + 1
    if waves.is_last(plan, deployment.waves[-1], deployment.wave):
        return Move(State.SUCCEEDED)
    if waves.needs_word(plan, following) and deployment.confirmed < following:
        return WaitForWord(f"Wave {following} waits for POST /deploy/{deployment.id}/resume.")
    return Open(following)


def _reverting(deployment: Deployment, facts: Facts) -> Decision:
    reached, back = facts.counts.of("seen"), facts.counts.of("back")
    if back >= reached:
        return Move(State.REVERTED)
    left_s = deployment.since_s + _fleet_plan(deployment).revert_timeout_s - facts.now_s
    if left_s <= 0:
        return Move(State.REVERT_INCOMPLETE)
    return Wait(f"{back} of {reached} devices are proved to be back; {left_s:.0f} s are left to the others.")


def _fleet_plan(deployment: Deployment) -> FleetPlan:
    return deployment.plan.fleet or FleetPlan("")


_DECIDERS: Mapping[DeploymentState, Callable[[Deployment, Facts], Decision]] = {
    State.PENDING: _pending,
    State.PROVING_ENDPOINT: _proving,
    State.CANARY: _canary,
    State.ENDPOINT_LIVE: _endpoint_live,
    State.WAVE: _wave,
    State.REVERTING: _reverting,
}
