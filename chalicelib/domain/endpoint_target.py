"""A task's endpoint as the target of promotions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from chalicelib.domain.deployment import EndpointBaseline
from chalicelib.domain.inference import Task


@dataclass(frozen=True)
class EndpointTarget:
    """`active`: the promotion under way; `baseline`: the last one that succeeded."""

    task: Task
    active: str | None = None
    baseline: EndpointBaseline | None = None
    record_version: int = 0

    def to_body(self) -> dict[str, Any]:
        baseline = asdict(self.baseline) if self.baseline else None
        return {"task": self.task.value, "active": self.active, "baseline": baseline}

    @classmethod
    def from_body(cls, body: Mapping[str, Any], record_version: int) -> EndpointTarget:
        baseline = EndpointBaseline(**body["baseline"]) if body["baseline"] else None
        return cls(Task(body["task"]), body["active"], baseline, record_version)
