"""A question to a model and its answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any


class Task(Enum):
    CLASSIFY = "classify"
    COUNT = "count"
    DETECT = "detect"


@dataclass(frozen=True)
class ServedModel:
    """A model where it answers: all that a prediction needs to know, so that the hot path reads nothing else.

    `container` is the wire format: `binsight`, `image-classification` or `object-detection`.
    """

    endpoint: str
    model_id: str
    version: int
    digest: str
    task: Task
    container: str
    manifest: Mapping[str, Any]

    def identity(self) -> dict[str, Any]:
        return {"id": self.model_id, "version": self.version, "digest": self.digest, "task": self.task.value}

    def to_body(self) -> dict[str, Any]:
        return {**self.identity(), "endpoint": self.endpoint, "container": self.container, "manifest": self.manifest}

    @classmethod
    def from_body(cls, body: Mapping[str, Any]) -> ServedModel:
        return cls(
            endpoint=body["endpoint"],
            model_id=body["id"],
            version=body["version"],
            digest=body["digest"],
            task=Task(body["task"]),
            container=body["container"],
            manifest=body["manifest"],
        )


@dataclass(frozen=True)
class Prediction:
    """`answer` is the decided answer (device/runtime/decision.py); `cold` is None where the container cannot say."""

    answer: Mapping[str, Any]
    timings_ms: Mapping[str, float]
    cold: bool | None
