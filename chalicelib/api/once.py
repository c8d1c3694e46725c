"""The Idempotency-Key, for every route that heeds it: a request that comes twice takes effect once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chalice.app import Response

from chalicelib.api.blueprint import Endpoint, Once
from chalicelib.api.call import Call
from chalicelib.domain.errors import BinsightError
from chalicelib.services.idempotency import MAX_ANSWER_BYTES
from chalicelib.services.request_scope import RequestScope, entered

KEY_HEADER = "idempotency-key"
REPLAYED_HEADER = "Idempotency-Replayed"


def answer_once(endpoint: Endpoint, call: Call, path_parameters: Mapping[str, str]) -> Response:
    """The view's answer, or the one that this request had before. Raises: BinsightError."""
    key = call.request.headers.get(KEY_HEADER)
    if endpoint.once is None or key is None:
        return endpoint.view(call, **path_parameters)
    route = f"{call.request.method} {endpoint.path} {sorted(path_parameters.items())}"
    scope = call.services.idempotency.begin(call.caller.id, route, key, call.body)
    stored = scope.record.body["answer"]
    if stored is not None:
        return _as_replay(Response(stored["body"], headers=stored["headers"], status_code=stored["status"]))
    if endpoint.once.again is not None and scope.subject is not None:
        return _as_replay(_kept(endpoint.once, call, scope, endpoint.once.again(call, scope.subject)))
    return _kept(endpoint.once, call, scope, _viewed(endpoint, call, path_parameters, scope))


def _viewed(endpoint: Endpoint, call: Call, path_parameters: Mapping[str, str], scope: RequestScope) -> Response:
    try:
        with entered(scope):
            return endpoint.view(call, **path_parameters)
    except BinsightError:
        call.services.idempotency.give_up(scope)
        raise


def _kept(once: Once, call: Call, scope: RequestScope, response: Response) -> Response:
    answer: dict[str, Any] | None = None
    if once.keeps_answer and len(response.body) <= MAX_ANSWER_BYTES:
        answer = {"status": response.status_code, "headers": dict(response.headers), "body": response.body}
    call.services.idempotency.answer(scope, answer)
    return response


def _as_replay(response: Response) -> Response:
    response.headers[REPLAYED_HEADER] = "true"
    return response
