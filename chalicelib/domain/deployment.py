"""Which model answers for a task, and the steps by which that changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from chalicelib.domain.inference import ServedModel, Task


class DeploymentState(Enum):
    PENDING = "pending"
    PROVING_ENDPOINT = "proving_endpoint"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True)
class Alias:
    """What a task's route points to."""

    task: Task
    primary: ServedModel
    deployment_id: str
    previous: ServedModel | None = None
    record_version: int = 0

    def to_body(self) -> dict[str, Any]:
        return {
            "task": self.task.value,
            "primary": self.primary.to_body(),
            "deployment_id": self.deployment_id,
            "previous": self.previous.to_body() if self.previous else None,
        }

    @classmethod
    def from_body(cls, body: Mapping[str, Any], record_version: int) -> Alias:
        previous = body["previous"]
        return cls(
            task=Task(body["task"]),
            primary=ServedModel.from_body(body["primary"]),
            deployment_id=body["deployment_id"],
            previous=ServedModel.from_body(previous) if previous else None,
            record_version=record_version,
        )


@dataclass(frozen=True)
class Deployment:
    id: str
    model_id: str
    task: Task
    state: DeploymentState
    endpoint: str
    created_at_s: float
    baseline: str | None = None
    reason: str = ""
    record_version: int = 0

    def moved_to(self, state: DeploymentState, reason: str = "") -> Deployment:
        return replace(self, state=state, reason=reason)


def endpoint_name(task: Task, deployment_id: str) -> str:
    """Every promotion has an endpoint of its own, named before it is made."""
    return f"binsight-{task.value}-{deployment_id}"
