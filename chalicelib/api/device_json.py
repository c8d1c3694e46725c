"""Devices and fleets as the API shows them."""

from __future__ import annotations

from typing import Any

from chalicelib.domain.device import Device, DeviceState
from chalicelib.domain.fleet import Fleet, FleetTarget, Standing
from chalicelib.domain.quality import Window
from chalicelib.domain.ring import place_name
from chalicelib.services.suite import Services

MOSTLY = 0.5


def device_json(device: Device) -> dict[str, Any]:
    return {
        "id": device.id,
        "fleet": device.fleet,
        "site": device.site,
        "hardware": device.hardware,
        "engine": device.engine,
        "memory_mb": device.memory_mb,
        "pinned": device.pinned.model_id if device.pinned else None,
        "place": place_name(device.place),
        "created_at_s": device.created_at_s,
    }


def watched_json(services: Services, device: Device) -> dict[str, Any]:
    """The device, what it is to run, and what it said last."""
    assigned = services.check_ins.assigned(device)
    return {
        **device_json(device),
        "target": {
            "direction": assigned.direction,
            "deployment": assigned.deployment,
            "model": assigned.model.model_id if assigned.model else None,
            "digest": assigned.digest,
        },
        "state": _state_json(services.fleets.state(device.id), assigned.deployment, assigned.digest),
    }


def fleet_json(fleet: Fleet, devices: int, target: FleetTarget) -> dict[str, Any]:
    return {
        "name": fleet.name,
        "task": fleet.task.value if fleet.task else None,
        "devices": devices,
        "update_window": fleet.update_window.to_json() if fleet.update_window else None,
        "checks_per_s": fleet.checks_per_s,
        "active": target.active,
        "standing": _standing_json(target.standing),
        "created_at_s": fleet.created_at_s,
    }


def _standing_json(standing: Standing | None) -> dict[str, str] | None:
    if standing is None:
        return None
    return {"deployment": standing.deployment, "model": standing.model.model_id, "digest": standing.model.digest}


def _state_json(state: DeviceState, deployment: str | None, digest: str | None) -> dict[str, Any] | None:
    if state.seen_at_s == 0:
        return None
    proof, boot = state.verification, state.boots.current or ""
    return {
        "seen_at_s": state.seen_at_s,
        "boot": boot,
        "sequence": state.boots.sequence,
        "digest": state.digest,
        "stage": state.stage,
        "verified": state.is_verified_on(deployment, digest, boot),
        "verification": vars(proof) if proof else None,
        "window": _window_json(state.window),
        "before": _window_json(state.before),
        "scene": dict(state.scene),
        "sees_as_trained": _sees_as_trained(state),
        "versions": dict(state.versions),
        "outbox": dict(state.outbox),
        "failure": dict(state.failure) if state.failure else None,
        "clock_offset_s": state.offset_s,
    }


def _sees_as_trained(state: DeviceState) -> bool | None:
    """False: most of what this camera sees is unlike what the model was trained on. None: it has not said."""
    share = state.scene.get("unlike_training")
    return None if share is None else share <= MOSTLY


def _window_json(window: Window | None) -> dict[str, float] | None:
    if window is None:
        return None
    return {
        "predictions": window.predictions,
        "unknown_rate": round(window.unknown_rate, 4),
        "mean_confidence": round(window.mean_confidence, 4),
        "errors": window.errors,
    }
