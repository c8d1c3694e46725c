"""GET /ledger and /ledger/verify."""

from __future__ import annotations

from chalice.app import Response

from chalicelib.api.answers import json_answer
from chalicelib.api.blueprint import Api
from chalicelib.api.call import Call, page_json
from chalicelib.domain.access import Scope

api = Api(__name__)


@api.endpoint("GET", "/ledger", Scope.ADMIN)
def list_(call: Call) -> Response:
    entries, following = call.services.ledger.page(call.cursor(), call.limit())
    return json_answer(page_json([entry.to_body() for entry in entries], following))


@api.endpoint("GET", "/ledger/verify", Scope.ADMIN)
def verify(call: Call) -> Response:
    fault = call.services.ledger.first_fault()
    return json_answer({"whole": fault is None, "fault": fault, "entries": call.services.ledger.head().number})
