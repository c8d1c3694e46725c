"""/deploy: promotions, and what is live."""

from __future__ import annotations

from typing import Any

from chalice.app import Response

from chalicelib.api.answers import json_answer
from chalicelib.api.blueprint import Api, Once
from chalicelib.api.call import Call, page_json
from chalicelib.api.schemas import NewDeployment
from chalicelib.domain.access import Scope
from chalicelib.domain.deployment import Deployment

api = Api(__name__)


def _begun_before(call: Call, deployment_id: str) -> Response:
    deployment = call.services.deployments.get(deployment_id)
    return json_answer(deployment_json(deployment), status=201, headers={"Location": f"/deploy/{deployment.id}"})


@api.endpoint("POST", "/deploy", Scope.ADMIN, Once(_begun_before))
def promote(call: Call) -> Response:
    deployment = call.services.deployments.promote(call.parsed(NewDeployment).model, call.actor)
    return json_answer(deployment_json(deployment), status=201, headers={"Location": f"/deploy/{deployment.id}"})


@api.endpoint("GET", "/deploy", Scope.ADMIN)
def list_(call: Call) -> Response:
    deployments, following = call.services.deployments.page(call.cursor(), call.limit())
    return json_answer(page_json([deployment_json(deployment) for deployment in deployments], following))


@api.endpoint("GET", "/deploy/{deployment_id}", Scope.ADMIN)
def get(call: Call, deployment_id: str) -> Response:
    return json_answer(deployment_json(call.services.deployments.get(deployment_id)))


def deployment_json(deployment: Deployment) -> dict[str, Any]:
    return {
        "id": deployment.id,
        "model": deployment.model_id,
        "task": deployment.task.value,
        "state": deployment.state.value,
        "endpoint": deployment.endpoint,
        "baseline": deployment.baseline,
        "created_at_s": deployment.created_at_s,
        "reason": deployment.reason,
    }
