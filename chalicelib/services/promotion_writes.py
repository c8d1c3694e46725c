"""What a promotion's steps write, piece by piece."""

from __future__ import annotations

from dataclasses import replace

from chalicelib.domain import fleet_records as records
from chalicelib.domain.alias import Alias
from chalicelib.domain.deployment import Deployment
from chalicelib.domain.fleet import FleetTarget, Overlay, Standing
from chalicelib.domain.plan import FleetPlan
from chalicelib.domain.ports import Put, Write
from chalicelib.domain.records import alias_record
from chalicelib.domain.ring import RING


def deployment_subject(deployment: Deployment, action: str) -> str:
    """What the ledger's entry is about: the alias, the fleet or the promotion."""
    noun = action.partition(".")[0]
    if noun == "alias":
        return deployment.task.value
    return fleet_plan(deployment).fleet if noun == "fleet" else deployment.id


def fleet_plan(deployment: Deployment) -> FleetPlan:
    return deployment.plan.fleet or FleetPlan("")


def overlay_of(deployment: Deployment, plan: FleetPlan, direction: str) -> Overlay:
    return Overlay(
        deployment=deployment.id,
        model=deployment.model,
        direction=direction,
        start=deployment.start,
        lengths=tuple(wave.length for wave in deployment.waves),
        rivals=deployment.rivals,
        first=plan.first,
        devices=plan.devices,
        deadline_s=plan.device_timeout_s,
    )


def settled(target: FleetTarget, deployment: Deployment, plan: FleetPlan) -> FleetTarget:
    """After success: what the fleet, or the devices that were named, run from now on."""
    standing = Standing(deployment.id, deployment.model, deployment.rivals)
    if plan.devices:
        named = {**target.named, **dict.fromkeys(plan.devices, standing)}
        return replace(target, active=None, overlay=None, named=named)
    return replace(target, active=None, overlay=None, standing=standing, before=target.standing, named={})


def cleaning(moved: Deployment, at_s: float) -> Deployment:
    return replace(moved, leftovers=(moved.endpoint,), clean_at_s=at_s)


def percent_of(length: int) -> float:
    return round(100 * length / RING, 3)


def put_deployment(before: Deployment, after: Deployment) -> Put:
    record = records.deployment_record(replace(after, record_version=before.record_version))
    return Put(record, expected_version=before.record_version)


def stored(before: Deployment, after: Deployment) -> Deployment:
    return replace(after, record_version=before.record_version + 1)


def put_target(before: FleetTarget, after: FleetTarget) -> Put:
    return Put(records.fleet_target_record(after), expected_version=before.record_version)


def alias_writes(alias: Alias) -> list[Write]:
    return [Put(alias_record(alias), expected_version=alias.record_version)]
