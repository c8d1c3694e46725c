"""/deploy: promotions, what became of them, and what is or was live."""

from __future__ import annotations

from datetime import UTC, datetime

from chalice.app import Response

from chalicelib.api.answers import json_answer
from chalicelib.api.blueprint import Api, Once
from chalicelib.api.call import Call, page_json
from chalicelib.api.deploy_schemas import ModelOnly, NewPromotion, Stopping
from chalicelib.api.deployment_json import deployment_json, followed_json, member_json
from chalicelib.domain.access import Scope
from chalicelib.domain.counting import BAD
from chalicelib.domain.deployment import Deployment
from chalicelib.domain.errors import InvalidQueryError

api = Api(__name__)
OUTCOMES = (*BAD, "incompatible")


def _begun_before(call: Call, deployment_id: str) -> Response:
    return _created(call, call.services.deployments.get(deployment_id))


def _steered_before(call: Call, deployment_id: str) -> Response:
    return _followed(call, call.services.deployments.get(deployment_id))


@api.endpoint("POST", "/deploy", Scope.ADMIN, Once(_begun_before))
def promote(call: Call) -> Response:
    call.services.models.get(call.parsed(ModelOnly).model)
    body = call.parsed(NewPromotion)
    if body.dry_run:
        return json_answer(call.services.dry_runs.of(body.model, body.plan()))
    return _created(call, call.services.deployments.promote(body.model, call.actor, body.plan()))


@api.endpoint("GET", "/deploy", Scope.ADMIN)
def list_(call: Call) -> Response:
    call.refuse_other_queries("limit", "cursor", "at")
    at = call.query("at")
    if at is not None:
        return json_answer({"at_s": _moment(at), "live": call.services.history.live_at(_moment(at))})
    deployments, following = call.services.deployments.page(call.cursor(), call.limit())
    return json_answer(page_json([deployment_json(deployment) for deployment in deployments], following))


@api.endpoint("GET", "/deploy/{deployment_id}", Scope.ADMIN)
def get(call: Call, deployment_id: str) -> Response:
    return json_answer(followed_json(call.services.deployments, call.services.deployments.get(deployment_id)))


@api.endpoint("GET", "/deploy/{deployment_id}/devices", Scope.ADMIN)
def devices(call: Call, deployment_id: str) -> Response:
    """Those that did badly, by name; `outcome` chooses one kind."""
    call.refuse_other_queries("limit", "cursor", "outcome")
    outcome = call.query("outcome")
    if outcome is not None and outcome not in OUTCOMES:
        raise InvalidQueryError(f"outcome={outcome[:40]!r} is none of {', '.join(OUTCOMES)}.")
    call.services.deployments.get(deployment_id)
    tally = call.services.deployments.tally
    members, following = tally.page_of_named(deployment_id, outcome or "", call.cursor(), call.limit())
    return json_answer(page_json([member_json(member) for member in members], following))


@api.endpoint("POST", "/deploy/{deployment_id}/pause", Scope.ADMIN, Once(_steered_before))
def pause(call: Call, deployment_id: str) -> Response:
    return _followed(call, call.services.deployments.pause(deployment_id, call.actor))


@api.endpoint("POST", "/deploy/{deployment_id}/resume", Scope.ADMIN, Once(_steered_before))
def resume(call: Call, deployment_id: str) -> Response:
    return _followed(call, call.services.deployments.resume(deployment_id, call.actor))


@api.endpoint("POST", "/deploy/{deployment_id}/abort", Scope.ADMIN, Once(_steered_before))
def abort(call: Call, deployment_id: str) -> Response:
    reason = call.parsed(Stopping).reason
    return _followed(call, call.services.deployments.abort(deployment_id, call.actor, reason))


def _created(call: Call, deployment: Deployment) -> Response:
    body = followed_json(call.services.deployments, deployment)
    return json_answer(body, status=201, headers={"Location": f"/deploy/{deployment.id}"})


def _followed(call: Call, deployment: Deployment) -> Response:
    return json_answer(followed_json(call.services.deployments, deployment))


def _moment(text: str) -> float:
    """Seconds since the epoch, or ISO 8601 with an offset. Raises: InvalidQueryError."""
    try:
        return _from_seconds(text) if text.replace(".", "", 1).isdigit() else _from_iso(text)
    except (ValueError, OverflowError) as error:
        raise InvalidQueryError(
            f"at={text[:40]!r} is no time; send seconds since 1970 or e.g. 2026-11-20T12:00:00Z."
        ) from error


def _from_seconds(text: str) -> float:
    return datetime.fromtimestamp(float(text), UTC).timestamp()


def _from_iso(text: str) -> float:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a time needs an offset, or a Z")
    return moment.timestamp()
