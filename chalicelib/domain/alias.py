"""What a task's route points to."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from chalicelib.domain.inference import ServedModel, Task


@dataclass(frozen=True)
class Alias:
    """`canary` answers `share` (0-1) of the questions while its promotion watches it."""

    task: Task
    primary: ServedModel
    deployment_id: str
    previous: ServedModel | None = None
    canary: ServedModel | None = None
    share: float = 0.0
    canary_deployment_id: str | None = None
    record_version: int = 0

    def chosen(self, prediction_id: str) -> ServedModel:
        """Who answers: the canary for its share of the prediction ids, the primary for the others."""
        if self.canary is None:
            return self.primary
        draw = int.from_bytes(hashlib.sha256(prediction_id.encode()).digest()[:8]) / (1 << 64)
        return self.canary if draw < self.share else self.primary

    def with_canary(self, canary: ServedModel, share: float, deployment_id: str) -> Alias:
        return replace(self, canary=canary, share=share, canary_deployment_id=deployment_id)

    def without_canary(self) -> Alias:
        return replace(self, canary=None, share=0.0, canary_deployment_id=None)

    def endpoints(self) -> set[str]:
        """Which must not be removed."""
        return {served.endpoint for served in (self.primary, self.previous, self.canary) if served}

    def to_body(self) -> dict[str, Any]:
        return {
            "task": self.task.value,
            "primary": self.primary.to_body(),
            "deployment_id": self.deployment_id,
            "previous": self.previous.to_body() if self.previous else None,
            "canary": self.canary.to_body() if self.canary else None,
            "share": self.share,
            "canary_deployment_id": self.canary_deployment_id,
        }

    @classmethod
    def from_body(cls, body: Mapping[str, Any], record_version: int) -> Alias:
        previous, canary = body["previous"], body.get("canary")
        return cls(
            task=Task(body["task"]),
            primary=ServedModel.from_body(body["primary"]),
            deployment_id=body["deployment_id"],
            previous=ServedModel.from_body(previous) if previous else None,
            canary=ServedModel.from_body(canary) if canary else None,
            share=body.get("share", 0.0),
            canary_deployment_id=body.get("canary_deployment_id"),
            record_version=record_version,
        )
