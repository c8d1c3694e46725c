"""/models: what was trained, and which of it may be promoted."""

from __future__ import annotations

from typing import Any

from chalice.app import Response

from chalicelib.api.answers import json_answer
from chalicelib.api.blueprint import Api
from chalicelib.api.call import Call, page_json
from chalicelib.api.schemas import Decision, NewModel
from chalicelib.domain.access import Scope
from chalicelib.domain.errors import InvalidQueryError
from chalicelib.domain.inference import Task
from chalicelib.domain.model import Model, ModelState

api = Api(__name__)
ARTIFACT_URL_S = 900


@api.endpoint("POST", "/models", Scope.ADMIN)
def register(call: Call) -> Response:
    body = call.parsed(NewModel)
    upload = call.services.uploads.claim(body.upload, call.caller.id)
    model = call.services.models.register_artifact(upload.blob_name, upload.sha256, body.name, call.actor)
    call.services.uploads.release(upload)
    return json_answer(model_json(model), status=201, headers={"Location": f"/models/{model.id}"})


@api.endpoint("GET", "/models", Scope.INFERENCE)
def list_(call: Call) -> Response:
    models, following = call.services.models.page(_task(call), call.cursor(), call.limit())
    return json_answer(page_json([model_json(model) for model in models], following))


@api.endpoint("GET", "/models/{model_id}", Scope.INFERENCE)
def get(call: Call, model_id: str) -> Response:
    model = call.services.models.get(model_id)
    return json_answer({**model_json(model), "manifest": dict(model.manifest)})


@api.endpoint("GET", "/models/{model_id}/artifact", Scope.ADMIN)
def artifact(call: Call, model_id: str) -> Response:
    url = call.services.models.artifact_url(model_id, ARTIFACT_URL_S)
    return json_answer({"url": url, "expires_in_s": ARTIFACT_URL_S})


@api.endpoint("POST", "/models/{model_id}/approve", Scope.ADMIN)
def approve(call: Call, model_id: str) -> Response:
    return _move(call, model_id, ModelState.APPROVED)


@api.endpoint("POST", "/models/{model_id}/reject", Scope.ADMIN)
def reject(call: Call, model_id: str) -> Response:
    return _move(call, model_id, ModelState.REJECTED)


@api.endpoint("POST", "/models/{model_id}/retire", Scope.ADMIN)
def retire(call: Call, model_id: str) -> Response:
    return _move(call, model_id, ModelState.RETIRED)


def _move(call: Call, model_id: str, state: ModelState) -> Response:
    reason = call.parsed(Decision).reason
    return json_answer(model_json(call.services.models.move(model_id, state, call.actor, reason)))


def _task(call: Call) -> Task | None:
    name = call.query("task")
    if name is None:
        return None
    try:
        return Task(name)
    except ValueError as error:
        raise InvalidQueryError(f"task={name!r} is none of {', '.join(task.value for task in Task)}.") from error


def model_json(model: Model) -> dict[str, Any]:
    return {
        "id": model.id,
        "name": model.name,
        "version": model.version,
        "task": model.task.value,
        "state": model.state.value,
        "created_at_s": model.created_at_s,
        "digest": model.digest,
        "bytes": model.bytes,
        "reason": model.reason,
        "approved_by": model.approved_by,
    }
