"""/devices for admins, and the routes that are bound to one device."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from chalice.app import Response

from chalicelib.api.answers import empty_answer, json_answer
from chalicelib.api.blueprint import Api, Once
from chalicelib.api.call import Call, page_json
from chalicelib.api.device_json import device_json, watched_json
from chalicelib.api.device_schemas import BOOT, DeviceChange, NewDevice, Report
from chalicelib.domain.access import Scope
from chalicelib.domain.check_in import asked_for
from chalicelib.domain.device import Device
from chalicelib.domain.errors import InvalidFieldError, InvalidQueryError
from chalicelib.domain.fleet_errors import AnotherDeviceError
from chalicelib.services import fleet

api = Api(__name__)
Headers = dict[str, str | list[str]]
ARTIFACT_URL_S = 900
A_YEAR = "private, max-age=31536000, immutable"


@api.endpoint("POST", "/devices", Scope.ENROL, Once(None, keeps_answer=False))
def enrol(call: Call) -> Response:
    body = call.parsed(NewDevice)
    code = call.caller if Scope.ENROL in call.caller.scopes else None
    name = code.name if code else body.fleet
    if name is None or body.fleet not in (None, name):
        raise InvalidFieldError("fleet: say which fleet the device belongs to; an enrolment code fits its own only.")
    new = fleet.NewDevice(body.id, name, body.site, body.hardware, body.engine, body.memory_mb)
    device, key = call.services.fleets.enrol(new, code)
    return json_answer({**device_json(device), "key": key}, status=201, headers={"Location": f"/devices/{device.id}"})


@api.endpoint("GET", "/devices", Scope.ADMIN)
def list_(call: Call) -> Response:
    call.refuse_other_queries("fleet", "limit", "cursor")
    name = call.query("fleet") or _only_fleet(call)
    if name is None:
        return json_answer(page_json([], None))
    devices, following = call.services.fleets.page(name, call.cursor(), call.limit())
    return json_answer(page_json([device_json(device) for device in devices], following))


@api.endpoint("GET", "/devices/{device_id}", Scope.ADMIN)
def get(call: Call, device_id: str) -> Response:
    device = call.services.fleets.get(device_id)
    return json_answer(watched_json(call.services, device))


@api.endpoint("PATCH", "/devices/{device_id}", Scope.ADMIN)
def change(call: Call, device_id: str) -> Response:
    body = call.parsed(DeviceChange)
    if body.pinned is not None:
        # Else it would be moved and then refused.
        call.services.fleets.check_pin(device_id, body.pinned, body.fleet)
    device = call.services.fleets.change(device_id, body.fleet, body.site)
    if "pinned" in body.model_fields_set:
        device = call.services.fleets.pin(device_id, body.pinned)
    return json_answer(device_json(device))


@api.endpoint("DELETE", "/devices/{device_id}", Scope.ADMIN)
def revoke(call: Call, device_id: str) -> Response:
    call.services.fleets.revoke(device_id)
    return empty_answer()


@api.endpoint("POST", "/devices/{device_id}/rotate", Scope.ADMIN)
def rotate(call: Call, device_id: str) -> Response:
    device, key = call.services.fleets.rotate(device_id)
    return json_answer({**device_json(device), "key": key})


@api.endpoint("GET", "/devices/{device_id}/target", Scope.DEVICE)
def target(call: Call, device_id: str) -> Response:
    device = _own(call, device_id)
    body = json.dumps(call.services.check_ins.target(device, _boot(call)), separators=(",", ":"))
    etag = f'"{hashlib.sha256(body.encode()).hexdigest()[:32]}"'
    headers: Headers = {"ETag": etag, "Cache-Control": "private, no-cache"}
    if call.request.headers.get("if-none-match") == etag:
        return Response("", headers=headers, status_code=304)
    return Response(body, headers={**headers, "Content-Type": "application/json"})


@api.endpoint("GET", "/devices/{device_id}/artifact", Scope.DEVICE)
def artifact(call: Call, device_id: str) -> Response:
    return json_answer(call.services.check_ins.artifact(_own(call, device_id), ARTIFACT_URL_S))


@api.endpoint("GET", "/devices/{device_id}/golden/{photo}", Scope.DEVICE)
def golden(call: Call, device_id: str, photo: str) -> Response:
    _own(call, device_id)
    data = call.services.check_ins.golden.pools.read(photo)
    headers: Headers = {
        "Content-Type": "image/png",
        "ETag": f'"{hashlib.sha256(data).hexdigest()}"',
        "Cache-Control": A_YEAR,
    }
    return Response(data, headers=headers)


@api.endpoint("POST", "/devices/{device_id}/report", Scope.DEVICE)
def report(call: Call, device_id: str) -> Response:
    device = _own(call, device_id)
    told = call.services.check_ins.report(device, asked_for(_members(call.parsed(Report))))
    return json_answer(told.to_json())


def _own(call: Call, device_id: str) -> Device:
    """The caller's device. Raises: AnotherDeviceError."""
    if call.caller.device_id != device_id:
        raise AnotherDeviceError(
            f"This key is that of device '{call.caller.device_id}'; it may not speak for '{device_id}'."
        )
    return call.services.fleets.recent(device_id)


def _only_fleet(call: Call) -> str | None:
    """Raises: InvalidQueryError where there are several."""
    fleets, _ = call.services.fleets.fleet_page(None, 2)
    if len(fleets) > 1:
        raise InvalidQueryError("Say which fleet: GET /devices?fleet=<name>; GET /fleets lists them.")
    return fleets[0].name if fleets else None


def _members(report: Report) -> dict[str, Any]:
    return report.model_dump()


def _boot(call: Call) -> str:
    """Raises: InvalidQueryError."""
    boot = call.query("boot") or ""
    if not BOOT.fullmatch(boot):
        raise InvalidQueryError("boot is the id of this start of the agent: 16 to 64 characters a-z, 0-9 and '-'.")
    return boot
