"""/fleets: what cameras have in common, and the codes that they enrol with."""

from __future__ import annotations

from typing import Any

from chalice.app import Response

from chalicelib.api.answers import json_answer
from chalicelib.api.blueprint import Api
from chalicelib.api.call import Call, page_json
from chalicelib.api.device_json import fleet_json
from chalicelib.api.device_schemas import FLEET, FleetChange, NewCode
from chalicelib.domain.access import Scope
from chalicelib.domain.errors import InvalidQueryError
from chalicelib.domain.fleet import Fleet, UpdateWindow

api = Api(__name__)


@api.endpoint("GET", "/fleets", Scope.ADMIN)
def list_(call: Call) -> Response:
    fleets, following = call.services.fleets.fleet_page(call.cursor(), call.limit())
    return json_answer(page_json([_shown(call, fleet) for fleet in fleets], following))


@api.endpoint("GET", "/fleets/{fleet}", Scope.ADMIN)
def get(call: Call, fleet: str) -> Response:
    return json_answer(_shown(call, call.services.fleets.targets.fleet(fleet)))


@api.endpoint("PATCH", "/fleets/{fleet}", Scope.ADMIN)
def change(call: Call, fleet: str) -> Response:
    body = call.parsed(FleetChange)
    changes = {name: getattr(body, name) for name in ("task", "checks_per_s") if getattr(body, name) is not None}
    if "update_window" in body.model_fields_set:
        window = body.update_window
        changes["update_window"] = UpdateWindow.parsed(window.from_, window.until) if window else None
    return json_answer(_shown(call, call.services.fleets.change_fleet(fleet, changes, call.actor)))


@api.endpoint("POST", "/fleets/{fleet}/codes", Scope.ADMIN)
def make_code(call: Call, fleet: str) -> Response:
    if not FLEET.fullmatch(fleet):
        raise InvalidQueryError("A fleet's name has 1 to 63 characters a-z, 0-9 and '-'.")
    body = call.parsed(NewCode)
    code_id, until_s, code = call.services.fleets.new_code(fleet, body.devices, body.expires_in_s, call.actor)
    answer = {"id": code_id, "fleet": fleet, "devices": body.devices, "expires_at_s": until_s, "code": code}
    return json_answer(answer, status=201)


def _shown(call: Call, fleet: Fleet) -> dict[str, Any]:
    targets = call.services.fleets.targets
    return fleet_json(fleet, targets.count(fleet.name).get("devices", 0), targets.fleet_target(fleet.name))
