"""POST, GET /keys and DELETE /keys/{id}."""

from __future__ import annotations

from typing import Any

from chalice.app import Response

from chalicelib.api.answers import empty_answer, json_answer
from chalicelib.api.blueprint import Api, Once
from chalicelib.api.call import Call, page_json
from chalicelib.api.schemas import NewKey
from chalicelib.domain.access import AccessKey, Scope

api = Api(__name__)


def _made_before(call: Call, key_id: str) -> Response:
    """The key itself is stored nowhere, so that a replay cannot show it."""
    body = {**_key_json(call.services.access.get(key_id)), "key": None}
    return json_answer({**body, "detail": "The key was shown once. DELETE this one, and make another with POST /keys."})


@api.endpoint("POST", "/keys", Scope.ADMIN, Once(_made_before, keeps_answer=False))
def create(call: Call) -> Response:
    body = call.parsed(NewKey)
    key, token = call.services.access.create(body.name, frozenset(map(Scope, body.scopes)), call.actor)
    return json_answer({**_key_json(key), "key": token}, status=201)


@api.endpoint("GET", "/keys", Scope.ADMIN)
def list_(call: Call) -> Response:
    keys, following = call.services.access.page(call.cursor(), call.limit())
    return json_answer(page_json([_key_json(key) for key in keys], following))


@api.endpoint("DELETE", "/keys/{key_id}", Scope.ADMIN)
def revoke(call: Call, key_id: str) -> Response:
    call.services.access.revoke(key_id, call.actor)
    return empty_answer()


def _key_json(key: AccessKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "scopes": sorted(scope.value for scope in key.scopes),
        "created_at_s": key.created_at_s,
    }
