"""A wave's gate, as the plan has it: for named devices there is one wave, for a fleet there are arcs."""

from __future__ import annotations

from chalicelib.domain import counting
from chalicelib.domain.counting import Counts, is_open
from chalicelib.domain.deployment import OpenWave
from chalicelib.domain.plan import FleetPlan
from chalicelib.domain.ring import RING, arc_length


def broken_rule(plan: FleetPlan, counts: Counts, devices: int) -> str | None:
    return counting.broken_rule(plan.abort, counts, len(plan.devices) or devices)


def is_met(plan: FleetPlan, opened: OpenWave, counts: Counts, wave: int) -> bool:
    """The gate's counts; the soak comes after. Named devices must all be verified, as far as the share asks for it.

    Those that turned out not to be able to run the model are not waited for.
    """
    if plan.devices:
        needed = max(1, plan.gate.share * (len(plan.devices) - counts.of("incompatible", wave)))
        return counts.of("verified", wave) >= needed - 1e-9
    return is_open(plan.gate, opened.minimum, counts, wave)


def soak_s(plan: FleetPlan, opened: OpenWave, wave: int) -> float:
    """A fleet that a lengthened arc has reached as a whole soaks as its last wave would."""
    return plan.waves[-1 if is_last(plan, opened, wave) else wave].soak_s


def needs_word(plan: FleetPlan, wave: int) -> bool:
    """An admin must let this wave begin."""
    return wave < len(plan.waves) and plan.waves[wave].confirm


def asked_length(plan: FleetPlan, wave: int) -> int:
    """The arc that the plan asks for; named devices need none."""
    return RING if plan.devices else arc_length(plan.waves[wave].percent)


def is_last(plan: FleetPlan, opened: OpenWave, wave: int) -> bool:
    return bool(plan.devices) or opened.length >= RING or wave >= len(plan.waves) - 1


def is_to_lengthen(plan: FleetPlan, opened: OpenWave, counts: Counts, wave: int, now_s: float) -> bool:
    """Fewer than the minimum were seen at the wave's end: those who were asked are not there; others are."""
    if plan.devices or opened.length >= RING:
        return False
    ends_at_s = opened.opened_at_s + opened.slept_s + (opened.lengthened + 1) * plan.lengthen_after_s
    return now_s >= ends_at_s and counts.of("seen", wave) < opened.minimum


def why_shut(plan: FleetPlan, opened: OpenWave, counts: Counts, wave: int) -> str:
    seen, verified = counts.of("seen", wave), counts.of("verified", wave)
    if plan.devices:
        return f"Wave {wave}: {verified} of {len(plan.devices)} named devices are verified."
    why = (
        f"Wave {wave}: {verified} of {seen} devices seen are verified and {counts.undecided(wave)} are undecided; its "
        f"gate asks for {plan.gate.share:.0%} of those seen, and for {opened.minimum}."
    )
    return why + _what_helps(opened, counts, wave)


def _what_helps(opened: OpenWave, counts: Counts, wave: int) -> str:
    """Everybody who was seen is decided: of these, the gate does not open any more."""
    if counts.undecided(wave) > 0 or counts.of("seen", wave) < max(1, opened.minimum):
        return ""
    return (
        " Only cameras that were not seen yet can open it; POST .../abort takes it back, a newer promotion replaces it."
    )
