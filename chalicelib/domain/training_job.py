"""Training jobs and evaluations: what is asked of a runner and what it says of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from chalicelib.domain.errors import JobMismatchError
from chalicelib.domain.inference import Task

OURS = "binsight"
PRETRAINED = "pretrained"  # the channel of a checkpoint to begin from, and its recipe in a definition
# Counting with a classifier, one class a number, is what the bin tutorials do.
TASKS_OF_ALGORITHM: Mapping[str, frozenset[Task]] = {
    "image-classification": frozenset({Task.CLASSIFY, Task.COUNT}),
    "object-detection": frozenset({Task.DETECT}),
    OURS: frozenset(Task),
}
JOB_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")


class JobState(Enum):
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    STOPPED = "stopped"


@dataclass(frozen=True)
class JobDefinition:
    """One of training/jobs: `instance_type` and `max_runtime_s` bound the price, `document` is the whole file."""

    name: str
    task: Task
    algorithm: str
    hyperparameters: Mapping[str, str]
    instance_type: str
    instance_count: int
    max_runtime_s: int
    spot: bool
    document: Mapping[str, Any]

    def recipe(self, data: Mapping[str, str]) -> dict[str, str]:
        """The hyperparameters for these channels: with a checkpoint to begin from they are others altogether."""
        other = self.document.get(PRETRAINED, {}) if PRETRAINED in data else {}
        return {name: str(value) for name, value in (other or self.hyperparameters).items()}


@dataclass(frozen=True)
class JobOrder:
    """What a runner needs to begin: `data` maps a channel to the place of its photos, '' being the whole set."""

    name: str
    definition: JobDefinition
    data: Mapping[str, str]
    hyperparameters: Mapping[str, str]


@dataclass(frozen=True)
class EvaluationOrder:
    """`artifact` is where the training job left its files; `data` as in the job's order."""

    name: str
    job: str
    model_name: str
    task: Task
    algorithm: str
    artifact: str
    data: Mapping[str, str]
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class JobStatus:
    """`artifact` is where the trained files are, once there are any; `logs` a path or a URL."""

    name: str
    state: JobState
    algorithm: str
    reason: str = ""
    hyperparameters: Mapping[str, str] = field(default_factory=dict)
    data: Mapping[str, str] = field(default_factory=dict)
    artifact: str = ""
    logs: str = ""
    billable_s: float | None = None


@dataclass(frozen=True)
class EvaluationStatus:
    """`files` maps model.tar.gz, card.md, card.html, golden-answers.json to names in the blob store, once completed."""

    name: str
    state: JobState
    reason: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    logs: str = ""


@dataclass(frozen=True)
class TrainingRun:
    """How a model came to be, as the registry keeps it. `is_ours`: started here, so it may be started again."""

    job: str
    algorithm: str
    is_ours: bool
    definition: str = ""
    data: Mapping[str, str] = field(default_factory=dict)
    hyperparameters: Mapping[str, str] = field(default_factory=dict)
    labels: tuple[str, ...] = ()
    price: Mapping[str, Any] | None = None
    logs: str = ""
    evaluation: str = ""
    evaluation_logs: str = ""
    billable_s: float | None = None
    is_stopping: bool = False

    def seen_as(self, status: JobStatus) -> TrainingRun:
        return replace(self, logs=status.logs or self.logs, billable_s=status.billable_s)

    def to_body(self) -> dict[str, Any]:
        return {
            **vars(self),
            "data": dict(self.data),
            "hyperparameters": dict(self.hyperparameters),
            "labels": list(self.labels),
        }

    @classmethod
    def from_body(cls, body: Mapping[str, Any]) -> TrainingRun:
        return cls(**{**body, "labels": tuple(body["labels"])})


def job_name(word: str, unique: str) -> str:
    """63 characters at the most; the beginning is what the service's permissions are given for."""
    return f"{OURS}-{word}-{unique}"


def check_algorithm(status: JobStatus, task: Task) -> None:
    """Raises: JobMismatchError when the job trained something that cannot do the task."""
    tasks = TASKS_OF_ALGORITHM.get(status.algorithm, frozenset())
    trained = status.hyperparameters.get("task") if status.algorithm == OURS else None
    if task not in tasks or (trained is not None and trained.strip('"') != task.value):
        raise JobMismatchError(
            f"Job '{status.name}' ran '{status.algorithm}'{f' for {trained}' if trained else ''}, "
            f"which gives no model for '{task.value}'.",
            algorithm=status.algorithm,
        )
