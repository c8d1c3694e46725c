"""A runner, files and an inspector in dictionaries, and the registry's use cases on them."""

from __future__ import annotations

import io
import itertools
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO

from chalicelib.domain.cost import free_training
from chalicelib.domain.errors import (
    BlobNotFoundError,
    InvalidArtifactError,
    JobNotFoundError,
    RunnerUnavailableError,
)
from chalicelib.domain.inference import Task
from chalicelib.domain.ports import (
    ArtifactInspector,
    BlobStore,
    InspectedArtifact,
    JobRunner,
    UploadTarget,
    UploadTerms,
)
from chalicelib.domain.training_job import (
    EvaluationOrder,
    EvaluationStatus,
    JobDefinition,
    JobOrder,
    JobState,
    JobStatus,
)
from chalicelib.services.ledger import Ledger
from chalicelib.services.model_registry import ModelRegistry
from chalicelib.services.model_versions import ModelVersions
from chalicelib.services.training import Training
from chalicelib.services.training_progress import TrainingProgress
from tests.unit.memory_store import HandClock, MemoryStore
from tests.unit.promotion_world import Pools

DEFINITION = JobDefinition("waste", Task.CLASSIFY, "binsight", {"task": "classify"}, "ml.m5.xlarge", 1, 3600, False, {})


class FakeRunner(JobRunner):
    """Jobs stand as the test says; what was asked of the runner is kept."""

    def __init__(self) -> None:
        self.jobs: dict[str, JobStatus] = {}
        self.evaluations: dict[str, EvaluationStatus] = {}
        self.asked: list[str] = []
        self.is_down = False
        self.refuses_starts = False

    def check(self, order: JobOrder) -> None:
        self._answer()

    def start(self, order: JobOrder) -> None:
        self._answer()
        if self.refuses_starts:
            raise RunnerUnavailableError("no room for another job", retry_after_s=5)
        self.asked.append(f"start {order.name}")
        status = JobStatus(order.name, JobState.RUNNING, "binsight", logs="a log", artifact="")
        self.jobs.setdefault(order.name, status)

    def describe(self, job: str) -> JobStatus:
        self._answer()
        if job not in self.jobs:
            raise JobNotFoundError(f"no job {job}")
        return self.jobs[job]

    def stop(self, job: str) -> None:
        self._answer()
        self.asked.append(f"stop {job}")

    def start_evaluation(self, order: EvaluationOrder) -> None:
        self._answer()
        self.asked.append(f"evaluate {order.job}")
        self.evaluations.setdefault(order.name, EvaluationStatus(order.name, JobState.RUNNING))

    def describe_evaluation(self, evaluation: str) -> EvaluationStatus:
        self._answer()
        if evaluation not in self.evaluations:
            raise JobNotFoundError(f"no evaluation {evaluation}")
        return self.evaluations[evaluation]

    def stop_evaluation(self, evaluation: str) -> None:
        self.asked.append(f"stop {evaluation}")

    def ends(self, job: str, state: JobState, reason: str = "") -> None:
        self.jobs[job] = replace(self.jobs[job], state=state, reason=reason, billable_s=60.0)

    def evaluated(self, files: dict[str, str]) -> None:
        (name,) = self.evaluations
        self.evaluations[name] = EvaluationStatus(name, JobState.COMPLETED, "", files)

    def _answer(self) -> None:
        if self.is_down:
            raise RunnerUnavailableError("SageMaker is down", retry_after_s=5)


class MemoryBlobs(BlobStore):
    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    def put(self, name: str, source: Path) -> None:
        self.files.setdefault(name, source.read_bytes())

    def fetch(self, name: str, target: Path) -> None:
        target.write_bytes(self._found(name))

    def open(self, name: str) -> BinaryIO:
        return io.BytesIO(self._found(name))

    def copy(self, source: str, target: str) -> None:
        self.files.setdefault(target, self._found(source))

    def exists(self, name: str) -> bool:
        return name in self.files

    def delete(self, name: str) -> None:
        self.files.pop(name, None)

    def download_url(self, name: str, expires_s: int) -> str:
        return f"memory:{name}"

    def upload_target(self, terms: UploadTerms) -> UploadTarget:
        return UploadTarget("memory:", "PUT", {}, terms.expires_at_s)

    def _found(self, name: str) -> bytes:
        if name not in self.files:
            raise BlobNotFoundError(f"no file {name}")
        return self.files[name]


@dataclass
class FakeInspector(ArtifactInspector):
    manifest: dict[str, Any] = field(default_factory=lambda: {"name": "waste", "task": "classify"})
    fault: str = ""

    def inspect(self, name: str, sha256: str) -> InspectedArtifact:
        if self.fault:
            raise InvalidArtifactError(self.fault)
        return InspectedArtifact(sha256, 7, self.manifest, proved=True)


@dataclass
class Registry:
    """Everything of the registry, on fakes."""

    clock: HandClock = field(default_factory=HandClock)
    store: MemoryStore = field(default_factory=MemoryStore)
    runner: FakeRunner = field(default_factory=FakeRunner)
    blobs: MemoryBlobs = field(default_factory=MemoryBlobs)
    inspector: FakeInspector = field(default_factory=FakeInspector)
    pools: Pools = field(default_factory=Pools)

    def __post_init__(self) -> None:
        numbers = itertools.count(1)
        self.ledger = Ledger(self.store, self.clock, pause=lambda _: None)
        self.versions = ModelVersions(self.store, self.ledger, self.clock, pause=lambda _: None)
        self.models = ModelRegistry(self.store, self.blobs, self.inspector, self.versions)
        self.progress = TrainingProgress(
            store=self.store,
            blobs=self.blobs,
            inspector=self.inspector,
            versions=self.versions,
            runner=self.runner,
            definitions=lambda name: DEFINITION,
            new_id=lambda: f"id{next(numbers)}",
            pools=self.pools,
        )
        self.training = Training(
            store=self.store,
            versions=self.versions,
            runner=self.runner,
            definitions=self.progress.definitions,
            progress=self.progress,
            new_id=self.progress.new_id,
            price=free_training,
            budget_usd=1.0,
        )
