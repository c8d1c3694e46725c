"""Promotions as the API shows them."""

from __future__ import annotations

from typing import Any

from chalicelib.domain.counting import Counts
from chalicelib.domain.deployment import Deployment, DeploymentState
from chalicelib.domain.device import Member
from chalicelib.domain.ring import RING
from chalicelib.services.deployment import Deployments

NAMES_SHOWN = 20


def deployment_json(deployment: Deployment) -> dict[str, Any]:
    plan = deployment.plan
    return {
        "id": deployment.id,
        "model": deployment.model_id,
        "digest": deployment.model.digest,
        "task": deployment.task.value,
        "state": deployment.state.value,
        "endpoint": deployment.endpoint if plan.endpoint else None,
        "fleet": plan.fleet.fleet if plan.fleet else None,
        "devices": list(plan.fleet.devices) if plan.fleet else [],
        "baseline": deployment.baseline,
        "fleet_baseline": deployment.baseline_fleet.model_id if deployment.baseline_fleet else None,
        "wave": deployment.wave if deployment.waves else None,
        "created_at_s": deployment.created_at_s,
        "since_s": deployment.since_s,
        "actor": deployment.actor,
        "asked_because": plan.reason,
        "reason": deployment.reason,
        "outcome": deployment.outcome,
    }


def followed_json(deployments: Deployments, deployment: Deployment) -> dict[str, Any]:
    """With counts by wave, why it waits, and who did badly, by name."""
    counts = deployments.tally.counts(deployment.id)
    named, more = deployments.tally.page_of_named(deployment.id, "", None, NAMES_SHOWN)
    return {
        **deployment_json(deployment),
        "waiting": "" if deployment.is_terminal else deployments.why_it_waits(deployment),
        "waves": [_wave_json(deployment, counts, number) for number in range(len(deployment.waves))],
        "counts": counts.to_json(),
        "canary": _canary_json(deployments, deployment),
        "named": [member_json(member) for member in named],
        "more_named": more is not None,
    }


def member_json(member: Member) -> dict[str, Any]:
    return {
        "device": member.device,
        "wave": member.wave,
        "outcome": "worse" if member.worse else member.outcome,
        "reason": member.worse or member.reason,
        "back": member.back,
        "seen_at_s": member.seen_at_s,
    }


def _wave_json(deployment: Deployment, counts: Counts, number: int) -> dict[str, Any]:
    wave = deployment.waves[number]
    return {
        "wave": number,
        "percent": round(100 * wave.length / RING, 2),
        "minimum": wave.minimum,
        "opened_at_s": wave.opened_at_s,
        "verified_since_s": wave.met_at_s,
        "lengthened": wave.lengthened,
        **counts.to_json(number),
    }


def _canary_json(deployments: Deployments, deployment: Deployment) -> dict[str, Any] | None:
    plan = deployment.plan.endpoint
    if plan is None or plan.canary_share == 0:
        return None
    watched = deployments.tally.variants(deployment.id).to_json()
    is_on = DeploymentState.CANARY in (deployment.state, deployment.paused_from)
    return {"share": plan.canary_share, "is_on": is_on, **watched}
