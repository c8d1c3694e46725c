"""/models: what was trained, from what, how good it is, and which of it may be promoted."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from chalice.app import Response

from chalicelib.api.answers import json_answer, text_answer
from chalicelib.api.blueprint import Api, Once
from chalicelib.api.call import Call, page_json
from chalicelib.api.model_id import checked_model_id
from chalicelib.api.model_json import model_detail_json, model_json
from chalicelib.api.schemas import Approval, Body, Decision, NewModel, NewTraining, RecordedJob
from chalicelib.domain.access import Scope
from chalicelib.domain.errors import InvalidQueryError, WriteConflictError
from chalicelib.domain.inference import Task
from chalicelib.domain.model import Model, ModelState
from chalicelib.domain.model_listing import ModelFilter
from chalicelib.services.training import TrainingRequest

api = Api(__name__)
E = TypeVar("E", Task, ModelState)
ARTIFACT_URL_S = 900
WAYS: Mapping[str, type[Body]] = {"job": NewTraining, "training_job": RecordedJob, "upload": NewModel}
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
CARDS = {"markdown": ("md", "text/markdown; charset=utf-8"), "html": ("html", "text/html; charset=utf-8")}
# A card may come from anywhere: it is shown, and can do nothing.
CARD_POLICY = "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def _created(call: Call, model_id: str) -> Response:
    model = call.services.models.get(model_id)
    return json_answer(model_json(model), status=201, headers={"Location": f"/models/{model.id}"})


def _moved(call: Call, model_id: str) -> Response:
    return json_answer(model_json(call.services.models.get(model_id)))


@api.endpoint("POST", "/models", Scope.ADMIN, Once(_created))
def register(call: Call) -> Response:
    body = call.parsed_by_member(WAYS)
    model = MAKERS[type(body)](call, body)
    return json_answer(model_json(model), status=201, headers={"Location": f"/models/{model.id}"})


@api.endpoint("GET", "/models", Scope.INFERENCE)
def list_(call: Call) -> Response:
    call.refuse_other_queries("task", "name", "state", "limit", "cursor")
    wanted = ModelFilter(task=_chosen(call, "task", Task), name=_name(call), state=_chosen(call, "state", ModelState))
    models, following = call.services.models.page(wanted, call.cursor(), call.limit())
    return json_answer(page_json([model_json(model) for model in models], following))


@api.endpoint("GET", "/models/{model_id}", Scope.INFERENCE)
def get(call: Call, model_id: str) -> Response:
    model = call.services.models.get(checked_model_id(model_id))
    return json_answer(model_detail_json(model, call.services.models.alias(model.task)))


@api.endpoint("GET", "/models/{model_id}/card", Scope.ADMIN)
def card(call: Call, model_id: str) -> Response:
    form = call.query("format") or "markdown"
    if form not in CARDS:
        raise InvalidQueryError(f"format={form[:80]!r} is none of {', '.join(CARDS)}.")
    ending, content_type = CARDS[form]
    response = text_answer(call.services.models.card(checked_model_id(model_id), ending), content_type)
    response.headers["Content-Security-Policy"] = CARD_POLICY
    return response


@api.endpoint("GET", "/models/{model_id}/artifact", Scope.ADMIN)
def artifact(call: Call, model_id: str) -> Response:
    url = call.services.models.artifact_url(checked_model_id(model_id), ARTIFACT_URL_S)
    return json_answer({"url": url, "expires_in_s": ARTIFACT_URL_S})


@api.endpoint("GET", "/models/{model_id}/compare/{other_id}", Scope.ADMIN)
def compare(call: Call, model_id: str, other_id: str) -> Response:
    return json_answer(call.services.models.compare(checked_model_id(model_id), checked_model_id(other_id)))


@api.endpoint("POST", "/models/{model_id}/approve", Scope.ADMIN, Once(_moved))
def approve(call: Call, model_id: str) -> Response:
    body = call.parsed(Approval)
    model = call.services.models.approve(checked_model_id(model_id), call.actor, body.reason, body.override)
    return json_answer(model_json(model))


@api.endpoint("POST", "/models/{model_id}/reject", Scope.ADMIN, Once(_moved))
def reject(call: Call, model_id: str) -> Response:
    reason = call.parsed(Decision).reason
    return json_answer(model_json(call.services.models.reject(checked_model_id(model_id), call.actor, reason)))


@api.endpoint("POST", "/models/{model_id}/stop", Scope.ADMIN, Once(_moved))
def stop(call: Call, model_id: str) -> Response:
    call.parsed(Decision)
    return json_answer(model_json(call.services.training.stop(checked_model_id(model_id), call.actor)), status=202)


@api.endpoint("POST", "/models/{model_id}/retire", Scope.ADMIN, Once(_moved))
def retire(call: Call, model_id: str) -> Response:
    reason = call.parsed(Decision).reason
    return json_answer(model_json(call.services.models.retire(checked_model_id(model_id), call.actor, reason)))


def _started(call: Call, body: NewTraining) -> Model:
    data = {"": body.data} if isinstance(body.data, str) else dict(body.data or {})
    request = TrainingRequest(body.job, data, body.name, body.hyperparameters, body.allow_over_budget)
    return call.services.training.start(request, call.actor)


def _recorded(call: Call, body: RecordedJob) -> Model:
    training, labels = call.services.training, tuple(body.labels)
    return training.record(body.name, Task(body.task), body.training_job, labels, call.actor)


def _uploaded(call: Call, body: NewModel) -> Model:
    """The upload is used up by the very transaction that writes the model."""
    uploads = call.services.uploads
    upload = uploads.usable(body.upload, call.caller.id)
    try:
        model = call.services.models.register_artifact(
            upload.blob_name, upload.sha256, body.name, call.actor, uploads.use(upload)
        )
    except WriteConflictError:
        uploads.usable(body.upload, call.caller.id)
        raise
    uploads.release(upload)
    return model


MAKERS: Mapping[type[Body], Callable[[Call, Any], Model]] = {
    NewTraining: _started,
    RecordedJob: _recorded,
    NewModel: _uploaded,
}


def _name(call: Call) -> str | None:
    name = call.query("name")
    if name is not None and not NAME.fullmatch(name):
        raise InvalidQueryError("name: names are made of a-z, 0-9 and hyphens, 63 at the most.")
    return name


def _chosen(call: Call, parameter: str, kind: type[E]) -> E | None:
    value = call.query(parameter)
    if value is None:
        return None
    try:
        return kind(value)
    except ValueError as error:
        names = ", ".join(member.value for member in kind)
        raise InvalidQueryError(f"{parameter}={value[:80]!r} is none of {names}.") from error
