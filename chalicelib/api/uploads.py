"""POST /uploads: a place for bytes over a route's limit."""

from __future__ import annotations

from chalice.app import Response

from chalicelib.api.answers import json_answer
from chalicelib.api.blueprint import Api, Once
from chalicelib.api.call import Call
from chalicelib.api.schemas import NewUpload
from chalicelib.domain.access import Scope

api = Api(__name__)


@api.endpoint("POST", "/uploads", Scope.INFERENCE, Once(again=None, keeps_answer=False))
def announce(call: Call) -> Response:
    body = call.parsed(NewUpload)
    upload, target = call.services.uploads.announce(call.caller.id, body.bytes, body.sha256, body.content_type)
    answer = {
        "id": upload.id,
        "url": target.url,
        "method": target.method,
        "headers": dict(target.headers),
        "expires_at_s": target.expires_at_s,
    }
    return json_answer(answer, status=201)
