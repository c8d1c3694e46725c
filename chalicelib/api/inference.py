"""POST /classify, /count, /detect."""

from __future__ import annotations

from chalice.app import Response

from chalicelib.api.answers import json_answer
from chalicelib.api.blueprint import Api
from chalicelib.api.call import Call
from chalicelib.api.image_body import image_of
from chalicelib.domain.access import Scope
from chalicelib.domain.inference import Task
from chalicelib.services.inference import answer_json

api = Api(__name__)


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
    answered = call.services.inference.answer(task, image_of(call), call.query("model"))
    return json_answer(answer_json(answered, call.request_id))
