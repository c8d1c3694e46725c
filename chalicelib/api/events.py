"""/events and /frames: what cameras saw."""

from __future__ import annotations

from typing import Any

from chalice.app import Response
from pydantic import ValidationError

from chalicelib.api.answers import json_answer
from chalicelib.api.blueprint import Api
from chalicelib.api.call import Call, page_json
from chalicelib.api.event_schemas import CameraEventBody, NewEvents, NewFrame, NumberedEvent
from chalicelib.domain import camera_records as records
from chalicelib.domain.access import Scope
from chalicelib.domain.camera_event import CameraEvent
from chalicelib.domain.camera_frame import CameraFrame, frame_id
from chalicelib.domain.device import Device
from chalicelib.domain.errors import InvalidQueryError
from chalicelib.domain.ports import Index
from chalicelib.services.camera_event import EventQuery, NewEvent

api = Api(__name__)
FILTERS = ("device", "fleet", "label", "mismatch")


@api.endpoint("POST", "/events", Scope.DEVICE)
def take(call: Call) -> Response:
    body = call.parsed(NewEvents)
    events = [_checked(each) for each in body.events]
    receipt = call.services.events.take(_caller(call), body.boot, events, body.dropped, body.sent_at_s)
    results = [{"sequence": each, "status": status, "reason": reason} for each, status, reason in receipt.results]
    return json_answer(
        {
            "acknowledged": receipt.acknowledged,
            "gaps": [list(gap) for gap in receipt.gaps],
            "dropped": receipt.dropped,
            "results": results,
        }
    )


@api.endpoint("GET", "/events", Scope.INFERENCE)
def list_(call: Call) -> Response:
    call.refuse_other_queries(*FILTERS, "from", "until", "limit", "cursor")
    query = _query(call)
    if query is None:
        return json_answer(page_json([], None))
    events, following = call.services.events.page(query, call.cursor(), call.limit())
    return json_answer(page_json([_event_json(event) for event in events], following))


@api.endpoint("POST", "/frames", Scope.DEVICE)
def announce(call: Call) -> Response:
    body, device = call.parsed(NewFrame), _caller(call)
    now_s = round(call.services.frames.clock(), 3)
    members = body.model_dump()
    frame = CameraFrame(frame_id(device.id, body.sha256), device.id, device.fleet, received_at_s=now_s, **members)
    target = call.services.frames.announce(frame, call.caller.id)
    answer = {
        "id": frame.id,
        "url": target.url,
        "method": target.method,
        "headers": dict(target.headers),
        "expires_at_s": target.expires_at_s,
    }
    return json_answer(answer, status=201)


@api.endpoint("GET", "/frames", Scope.ADMIN)
def list_frames(call: Call) -> Response:
    call.refuse_other_queries("device", "fleet", "limit", "cursor")
    place = _frames_of(call)
    if place is None:
        return json_answer(page_json([], None))
    frames, following = call.services.frames.page(*place, call.cursor(), call.limit())
    return json_answer(page_json([{**vars(frame), "url": url} for frame, url in frames], following))


def _caller(call: Call) -> Device:
    """The device that speaks: its key says which."""
    return call.services.fleets.recent(str(call.caller.device_id))


def _checked(event: NumberedEvent) -> NewEvent:
    try:
        body = CameraEventBody.model_validate(event.model_dump())
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        reason = f"{'.'.join(map(str, first['loc']))[:80]}: {first['msg'][:120]}"
        return NewEvent(event.sequence, {}, reason)
    return NewEvent(event.sequence, body.model_dump())


def _query(call: Call) -> EventQuery | None:
    """None where there is no fleet yet. Raises: InvalidQueryError."""
    span = {"from_s": _time(call, "from"), "until_s": _time(call, "until")}
    name, value = _only_filter(call, FILTERS)
    if name == "device":
        return EventQuery(records.device_events(value), Index.FIRST, **span)
    if name == "fleet":
        return EventQuery(records.fleet_events(value), Index.SECOND, **span)
    if name == "label":
        return EventQuery(records.label_events(value), Index.PRIMARY, **span)
    if name == "mismatch":
        return EventQuery(records.MISMATCHES, Index.PRIMARY, **span)
    return None


def _frames_of(call: Call) -> tuple[str, Index] | None:
    name, value = _only_filter(call, ("device", "fleet"))
    if name == "device":
        return records.device_frames(value), Index.FIRST
    return (records.fleet_frames(value), Index.SECOND) if name else None


def _only_filter(call: Call, names: tuple[str, ...]) -> tuple[str | None, str]:
    """The one filter that is given; without any, the only fleet there is. Raises: InvalidQueryError."""
    given = [(name, value) for name in names if (value := call.query(name))]
    if len(given) > 1:
        raise InvalidQueryError(f"Give one of {', '.join(names)}, and no other of them: each has an index of its own.")
    if given:
        name, value = given[0]
        if name == "mismatch" and value != "true":
            raise InvalidQueryError("mismatch=true lists the counts that differ from what was expected.")
        return name, value
    fleets, _ = call.services.fleets.fleet_page(None, 2)
    if len(fleets) > 1:
        raise InvalidQueryError(f"Give one of {', '.join(names)}; GET /fleets lists the fleets.")
    return ("fleet", fleets[0].name) if fleets else (None, "")


def _time(call: Call, name: str) -> float | None:
    """Raises: InvalidQueryError."""
    text = call.query(name)
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1e11:
        raise InvalidQueryError(f"{name}={text[:40]!r} is no time; it is in seconds since the epoch.")
    return value


def _event_json(event: CameraEvent) -> dict[str, Any]:
    return {**vars(event), "result": dict(event.result), "labels": list(event.labels), "mismatch": event.is_mismatch}
