"""What a promotion would do, without doing it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from chalicelib.domain import fleet_records as records
from chalicelib.domain.deployment import ModelRef
from chalicelib.domain.device import Device
from chalicelib.domain.endpoint_cost import EndpointPrice
from chalicelib.domain.fleet import Fleet, mean_check_s
from chalicelib.domain.plan import EndpointPlan, FleetPlan, Plan
from chalicelib.domain.ring import RING, arc_length
from chalicelib.services.promotion_facts import PromotionFacts
from chalicelib.services.promotion_start import PromotionStart, Prospect

FIRST_SHOWN = 20
MOST_LISTED = 100
# A check is two requests (target and report), each one of API Gateway (REST) and one of Lambda (128 ms at 512 MB), and
# of DynamoDB one consistent read and one transaction of one write, which costs two.
# US East (N. Virginia), public list prices of 2024-11; another Region has others.
CHECK_USD = 2 * (3.5e-6 + 0.2e-6 + 0.128 * 0.5 * 16.67e-6) + 0.125e-6 + 2 * 0.625e-6
CHECKS_NEEDED = 2
SECONDS_A_DAY = 86_400


@dataclass(frozen=True)
class DryRuns:
    start: PromotionStart
    facts: PromotionFacts
    endpoint_price: Callable[[Mapping[str, Any]], EndpointPrice]

    def of(self, model_id: str, plan: Plan) -> dict[str, Any]:
        """Raises: what beginning it would raise."""
        prospect = self.start.prospect(model_id, plan)
        shortest = round(shortest_s(prospect.plan, self._pace_s(prospect)), 1)
        answer: dict[str, Any] = {
            "dry_run": True,
            "model": model_id,
            "task": prospect.model.task.value,
            "baseline": _baseline(prospect),
            "superseded": [old.id for old in prospect.superseded],
            "shortest_s": shortest,
        }
        if prospect.plan.endpoint:
            answer["endpoint"] = self._endpoint(prospect, prospect.plan.endpoint)
        if prospect.plan.fleet:
            answer["fleet"] = self._fleet(prospect, prospect.plan.fleet, shortest)
        return answer

    def _endpoint(self, prospect: Prospect, plan: EndpointPlan) -> dict[str, Any]:
        return {
            "settings": dict(plan.settings),
            "kind": "real-time" if plan.settings.get("instance_type") else "serverless",
            "canary_share": plan.canary_share,
            "soak_s": plan.soak_s,
            "price": self.endpoint_price(plan.settings).to_json(),
            "quota": prospect.capacity.to_json() if prospect.capacity else None,
        }

    def _fleet(self, prospect: Prospect, plan: FleetPlan, shortest: float) -> dict[str, Any]:
        fleet = self.start.targets.fleet(plan.fleet)
        first = self._first(prospect, plan)
        model = ModelRef.of(prospect.model)
        misfits = {device.id: device.misfit(model) for device in first}
        telling, needed = self._telling(prospect, plan)
        return {
            "devices": prospect.devices,
            "update_window": fleet.update_window.to_json() if fleet.update_window else None,
            "waves": [{"percent": wave.percent, "soak_s": wave.soak_s, "confirm": wave.confirm} for wave in plan.waves],
            "first": [device.id for device in first if not misfits[device.id] and device.pinned is None],
            "incompatible": [{"device": id_, "reason": reason} for id_, reason in misfits.items() if reason][
                :MOST_LISTED
            ],
            "pinned": [device.id for device in first if device.pinned is not None][:MOST_LISTED],
            "incompatible_engines": self._incompatible_engines(plan.fleet, model),
            "golden_photos": {
                "telling": telling,
                "needed": needed,
                "tolerance": self.facts.tolerance(plan.fleet, model),
            },
            "checks": _checks(fleet, prospect.devices, shortest),
        }

    def _first(self, prospect: Prospect, plan: FleetPlan) -> list[Device]:
        """Who would be asked first, and who stands among them and is not."""
        named = [*plan.first, *plan.devices]
        devices = [records.device_from(self.start.store.get(records.identity_key(id_))) for id_ in named]
        if plan.devices:
            return devices
        wanted = min(FIRST_SHOWN, max(plan.gate.minimum, _share(plan, prospect.devices)))
        model = ModelRef.of(prospect.model)
        following = self.start.targets.ahead(plan.fleet, model, prospect.start, wanted).devices
        others = [device for device in following if device.id not in named]
        return devices + _until_enough(others, model, wanted)

    def _incompatible_engines(self, fleet: str, model: ModelRef) -> dict[str, int]:
        """Of the whole fleet, how many devices have an engine that the model does not run on."""
        engines = self.start.targets.engines(fleet)
        return {name: number for name, number in engines.items() if name not in model.engines}

    def _telling(self, prospect: Prospect, plan: FleetPlan) -> tuple[int, int]:
        target = prospect.fleet_target
        standing = target.standing.model.digest if target and target.standing else None
        digest = str(prospect.model.digest)
        tolerance = self.facts.tolerance(plan.fleet, ModelRef.of(prospect.model))
        return self.facts.golden.telling(prospect.model.task, digest, standing, tolerance)

    def _pace_s(self, prospect: Prospect) -> float:
        if prospect.plan.fleet is None:
            return 0.0
        fleet = self.start.targets.fleet(prospect.plan.fleet.fleet)
        return mean_check_s(fleet, prospect.devices, is_active=True)


def shortest_s(plan: Plan, pace_s: float) -> float:
    """Every soak, and for each wave the checks in which a device hears of the model and proves it."""
    endpoint = plan.endpoint
    total_s = endpoint.soak_s + (endpoint.canary_s if endpoint.canary_share else 0.0) if endpoint else 0.0
    if plan.fleet is None:
        return total_s
    waves = plan.fleet.waves[:1] if plan.fleet.devices else plan.fleet.waves
    return total_s + sum(wave.soak_s + CHECKS_NEEDED * pace_s for wave in waves)


def _until_enough(devices: list[Device], model: ModelRef, wanted: int) -> list[Device]:
    """As many as it takes until `wanted` of them can be promoted to."""
    taken: list[Device] = []
    fit = 0
    for device in devices:
        if fit == wanted:
            break
        taken.append(device)
        fit += device.pinned is None and not device.misfit(model)
    return taken


def _share(plan: FleetPlan, devices: int) -> int:
    return math.ceil(devices * arc_length(plan.waves[0].percent) / RING)


def _baseline(prospect: Prospect) -> dict[str, str | None]:
    endpoint, fleet = prospect.endpoint_target, prospect.fleet_target
    return {
        "endpoint": endpoint.baseline.model_id if endpoint and endpoint.baseline else None,
        "fleet": fleet.standing.model.model_id if fleet and fleet.standing else None,
    }


def _checks(fleet: Fleet, devices: int, promotion_s: float) -> dict[str, float]:
    """What the cameras' questions come to: a day of rest, and a promotion that goes as fast as it can."""
    idle_s, active_s = (mean_check_s(fleet, devices, is_active) for is_active in (False, True))
    a_day, promotion = devices * SECONDS_A_DAY / idle_s, devices * promotion_s / active_s
    return {
        "per_s": round(devices / idle_s, 3),
        "per_day": round(a_day),
        "aws_usd_per_day": round(a_day * CHECK_USD, 4),
        "per_s_in_promotion": round(devices / active_s, 3),
        "aws_usd_for_promotion": round(promotion * CHECK_USD, 4),
        "most_per_s": fleet.checks_per_s,
    }
