"""POST /classify, /count, /detect."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from chalice.app import Response

from chalicelib.api.answers import json_answer
from chalicelib.api.blueprint import Api
from chalicelib.api.call import Call
from chalicelib.api.image_body import Photo, photos_of
from chalicelib.api.model_id import checked_model_id
from chalicelib.api.problems import problem_json
from chalicelib.domain.access import Scope
from chalicelib.domain.errors import BinsightError, InvalidQueryError
from chalicelib.domain.inference import Task
from chalicelib.services.inference import Question, answer_json

api = Api(__name__)
MAX_REFERENCE = 128


@api.endpoint("POST", "/classify", Scope.INFERENCE)
def classify(call: Call) -> Response:
    return _answer(call, Task.CLASSIFY)


@api.endpoint("POST", "/count", Scope.INFERENCE)
def count(call: Call) -> Response:
    return _answer(call, Task.COUNT)


@api.endpoint("POST", "/detect", Scope.INFERENCE)
def detect(call: Call) -> Response:
    return _answer(call, Task.DETECT)


def _answer(call: Call, task: Task) -> Response:
    """One photo answers as itself; several answer as a list, each with its result or its problem."""
    question = _question(call, task)
    call.services.inference.served(task, question.model)
    with ExitStack() as held:
        return _answered(call, question, photos_of(call, held))


def _answered(call: Call, question: Question, photos: list[Photo]) -> Response:
    deadline_s = call.services.inference.deadline_s()
    if len(photos) == 1:
        photo = photos[0]
        answered = call.services.inference.answer(question, photo.data, deadline_s)
        if photo.upload is not None:
            call.services.uploads.use_up(photo.upload)
        return json_answer({**answer_json(answered), "request_id": call.request_id})
    results = [{"name": photo.name, **_one_of_many(call, question, photo.data, deadline_s)} for photo in photos]
    return json_answer({"results": results, "request_id": call.request_id})


def _one_of_many(call: Call, question: Question, photo: bytes, deadline_s: float) -> dict[str, Any]:
    try:
        return {"result": answer_json(call.services.inference.answer(question, photo, deadline_s))}
    except BinsightError as error:
        return {"problem": problem_json(error, call.request_id)}


def _question(call: Call, task: Task) -> Question:
    """Raises: InvalidQueryError, ModelNotFoundError."""
    call.refuse_other_queries("expected", "model", "reference")
    reference = call.query("reference")
    if reference is not None and not 1 <= len(reference) <= MAX_REFERENCE:
        raise InvalidQueryError(f"reference has 1 to {MAX_REFERENCE} characters.")
    model = call.query("model")
    return Question(task, None if model is None else checked_model_id(model), _expected(call, task), reference)


def _expected(call: Call, task: Task) -> int | None:
    text = call.query("expected")
    if text is None:
        return None
    if task is not Task.COUNT:
        raise InvalidQueryError(f"'expected' belongs to /count; POST /{task.value} does not count.")
    if not (text.isascii() and text.isdigit() and len(text) <= 6):
        raise InvalidQueryError(
            f"expected={text!r} does not fit; it is how many objects the bin should hold, 0 or more."
        )
    return int(text)
