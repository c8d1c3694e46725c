"""A device's report, and what follows: its new state, its transitions in a promotion, the verdict it is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from chalicelib.domain.boots import Boots
from chalicelib.domain.counting import counter
from chalicelib.domain.device import DeviceState, Member, Verification
from chalicelib.domain.fleet import BACK, FORWARD, Assignment
from chalicelib.domain.proof import Answer, Verdict
from chalicelib.domain.quality import Window, worse

UPDATE, PROVE, VERIFIED, REFUSED, NONE = "update", "prove", "verified", "refused", "none"
KEPT_REFUSALS = 4


@dataclass(frozen=True)
class Report:
    """As the device sent it; `sent_at_s` is its own clock's and only measured."""

    boot: str
    previous_boot: str | None
    sequence: int
    digest: str | None
    stage: str
    deployment: str | None = None
    nonce: str | None = None
    answers: Mapping[str, Answer] | None = None
    failure: Mapping[str, str] | None = None
    counters: Window | None = None
    scene: Mapping[str, float] | None = None
    versions: Mapping[str, str] | None = None
    outbox: Mapping[str, int] | None = None
    sent_at_s: float | None = None


@dataclass(frozen=True)
class Told:
    """What the device is told."""

    verdict: str
    reason: str = ""


@dataclass(frozen=True)
class Outcome:
    """`member` None: the promotion's record of the device stays as it is. `is_bad`: the abort rules are to be asked."""

    told: Told
    state: DeviceState
    member: Member | None = None
    counters: Mapping[str, int] = field(default_factory=dict)
    is_bad: bool = False


def heard(state: DeviceState, boots: Boots, report: Report, now_s: float) -> DeviceState:
    """The device's state after the report, but for what is judged."""
    window, before = report.counters or state.window, state.before
    if report.digest != state.digest:
        before, window = state.window or state.before, report.counters
    return replace(
        state,
        boots=boots,
        seen_at_s=now_s,
        digest=report.digest,
        stage=report.stage,
        window=window,
        before=before,
        scene=report.scene or state.scene,
        versions=report.versions or state.versions,
        outbox=report.outbox or state.outbox,
        failure=report.failure or state.failure,
        offset_s=None if report.sent_at_s is None else round(report.sent_at_s - now_s, 3),
    )


def judged(
    state: DeviceState,
    report: Report,
    assigned: Assignment,
    verdict: Verdict | None,
    member: Member | None,
    now_s: float,
) -> Outcome:
    """`state` as `heard` left it; `verdict` on the report's answers; `member` None: not seen in this promotion yet."""
    state = _with_verdict(state, report, assigned, verdict, now_s)
    # What a camera has failed at stays to be read as long as it is not tried again; it is told only once.
    if report.failure is None and not _is_refused(state, assigned):
        state = replace(state, failure=None)
    told = _told(state, report, assigned, verdict)
    if assigned.incompatible and assigned.promotion:
        return _incompatible(state, told, assigned, member, now_s)
    if assigned.direction == BACK:
        return _went_back(state, told, report, assigned, member)
    if assigned.direction == FORWARD:
        return _went_forward(state, told, report, assigned, verdict, member, now_s)
    return Outcome(told, state)


def told_again(state: DeviceState, boot: str, digest: str | None, assigned: Assignment) -> Told:
    """The answer to a replay: from the state alone."""
    proof = state.verification
    if proof and not proof.is_verified and _is_refused(state, assigned):
        return Told(REFUSED, proof.reason)
    return _due(state, boot, digest, assigned)


def _with_verdict(
    state: DeviceState, report: Report, assigned: Assignment, verdict: Verdict | None, now_s: float
) -> DeviceState:
    if _failed_here(report, assigned):
        return _refusing(state, assigned)
    if verdict is None or assigned.deployment is None or assigned.digest is None:
        return state
    name = VERIFIED if verdict.is_verified else REFUSED
    distance = None if verdict.distance is None else round(verdict.distance, 6)
    proof = Verification(
        assigned.deployment, assigned.digest, report.boot, name, verdict.reason, distance, round(now_s, 3)
    )
    state = replace(state, verification=proof)
    return state if verdict.is_verified else _refusing(state, assigned)


def _told(state: DeviceState, report: Report, assigned: Assignment, verdict: Verdict | None) -> Told:
    if verdict is not None and not verdict.is_verified:
        return Told(PROVE if assigned.direction == BACK else REFUSED, verdict.reason)
    return _due(state, report.boot, report.digest, assigned)


def _due(state: DeviceState, boot: str, digest: str | None, assigned: Assignment) -> Told:
    if assigned.digest is None or _is_refused(state, assigned):
        return Told(NONE)
    if digest != assigned.digest:
        return Told(UPDATE)
    if state.is_verified_on(assigned.deployment, assigned.digest, boot):
        return Told(VERIFIED)
    return Told(PROVE)


def _went_forward(
    state: DeviceState,
    told: Told,
    report: Report,
    assigned: Assignment,
    verdict: Verdict | None,
    member: Member | None,
    now_s: float,
) -> Outcome:
    """At most three transitions: seen, decided, worse."""
    wave = member.wave if member else assigned.wave
    deadline_s = now_s + (assigned.deadline_s or 0)
    found = member or Member(state.device, wave, round(now_s, 3), deadline_s=deadline_s)
    changed, names = found, [] if member else ["seen"]
    fate = _fate(report, assigned, verdict)
    if fate and found.outcome is None:
        changed = found.decided(*fate)
        names.append(fate[0])
    elif found.outcome == VERIFIED and not found.worse:
        changed = replace(found, worse=_worse(state, fate))
        names += ["worse"] if changed.worse else []
    if not names:
        return Outcome(told, state)
    is_bad = any(name not in ("seen", VERIFIED) for name in names)
    return Outcome(told, state, changed, {counter(name, wave): 1 for name in names}, is_bad)


def _fate(report: Report, assigned: Assignment, verdict: Verdict | None) -> tuple[str, str] | None:
    """What the report decides of the device: the outcome and why."""
    if _failed_here(report, assigned):
        failure = report.failure or {}
        return "failed", ": ".join(part for part in (failure.get("code", ""), failure.get("detail", "")) if part)
    if verdict is None:
        return None
    return (VERIFIED, "") if verdict.is_verified else ("unverified", verdict.reason)


def _worse(state: DeviceState, fate: tuple[str, str] | None) -> str:
    """After it was verified: it failed, could not prove itself in a later boot, or sees worse than before."""
    if fate is not None and fate[0] != VERIFIED:
        return f"{fate[0]} after it was verified: {fate[1]}"
    if state.window is None or state.before is None:
        return ""
    return worse(state.before, state.window) or ""


def _went_back(state: DeviceState, told: Told, report: Report, assigned: Assignment, member: Member | None) -> Outcome:
    """Proved on the model before; where there was none, by having left the one that is taken back and those before."""
    if member is None or member.back is not None or member.outcome == "incompatible":
        return Outcome(told, state)
    on_factory = assigned.digest is None and report.digest not in assigned.rivals
    if not on_factory and not state.is_verified_on(assigned.deployment, assigned.digest, report.boot):
        return Outcome(told, state)
    back = replace(member, back="factory" if on_factory else VERIFIED, deadline_s=None)
    return Outcome(told, state, back, {counter("back", member.wave): 1})


def _incompatible(state: DeviceState, told: Told, assigned: Assignment, member: Member | None, now_s: float) -> Outcome:
    """Listed, not failed, and not seen: it is nobody's fault."""
    if member is not None:
        return Outcome(told, state)
    listed = Member(state.device, assigned.wave, round(now_s, 3), "incompatible", assigned.incompatible or "")
    return Outcome(told, state, listed, {counter("incompatible", assigned.wave): 1})


def _failed_here(report: Report, assigned: Assignment) -> bool:
    return report.failure is not None and report.deployment is not None and report.deployment == assigned.deployment


def _mark(assigned: Assignment) -> str:
    return f"{assigned.deployment}:{assigned.digest}"


def _is_refused(state: DeviceState, assigned: Assignment) -> bool:
    return _mark(assigned) in state.refused


def _refusing(state: DeviceState, assigned: Assignment) -> DeviceState:
    """Not tried again; but the way back is tried until it is proved."""
    if assigned.direction == BACK:
        return state
    others = [mark for mark in state.refused if mark != _mark(assigned)]
    return replace(state, refused=(*others, _mark(assigned))[-KEPT_REFUSALS:])


def asked_for(body: Mapping[str, Any]) -> Report:
    """From the members of a checked message."""
    answers, counters = body.get("answers"), body.get("counters")
    return Report(
        **{
            **body,
            "answers": None if answers is None else {each["photo"]: each["answer"] for each in answers},
            "counters": Window(**counters) if counters else None,
        }
    )
