"""JobRunner on this machine: orders are laid into a folder, and whoever holds the trainer's lease runs them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from chalicelib.adapters.embedded.job_folder import QUEUED, JobFolder, JobFolders
from chalicelib.domain.errors import InvalidFieldError, JobNotFoundError
from chalicelib.domain.ports import BlobStore, JobRunner
from chalicelib.domain.training_job import (
    OURS,
    EvaluationOrder,
    EvaluationStatus,
    JobOrder,
    JobState,
    JobStatus,
)

WHOLE_SET, PRETRAINED = "", "pretrained"
EVALUATED = ("model.tar.gz", "card.md", "card.html", "golden-answers.json")


class LocalJobs(JobRunner):
    def __init__(self, folders: JobFolders, blobs: BlobStore, evaluates_apart: bool) -> None:
        """`evaluates_apart` False: the training program evaluates and packages too; an evaluation takes that over."""
        self._folders = folders
        self._blobs = blobs
        self._evaluates_apart = evaluates_apart

    def check(self, order: JobOrder) -> None:
        if order.definition.algorithm != OURS:
            raise _refused("job", f"'{order.definition.algorithm}' runs on SageMaker only; take another definition.")
        for channel, place in order.data.items():
            if channel not in (WHOLE_SET, PRETRAINED):
                raise _refused("data", "give one set of photos: the job splits it itself.")
            if channel == WHOLE_SET and not Path(place).exists():
                raise _refused("data", f"there is no '{place[:200]}' on this machine.")

    def start(self, order: JobOrder) -> None:
        document = {
            "kind": "training",
            "definition": order.definition.name,
            "task": order.definition.task.value,
            "data": {channel: str(Path(place).resolve()) for channel, place in order.data.items()},
            "hyperparameters": dict(order.hyperparameters),
        }
        self._folders.add(order.name, document)

    def describe(self, job: str) -> JobStatus:
        folder, order = self._found(job, "training")
        state, reason = _state(folder)
        status = folder.status()
        return JobStatus(
            name=job,
            state=state,
            algorithm=OURS,
            reason=reason,
            hyperparameters={"task": order["task"], **order["hyperparameters"]},
            data=order["data"],
            artifact=str(folder.out) if state is JobState.COMPLETED else "",
            logs=str(folder.log),
            billable_s=0.0 if status.get("ended_s") else None,
        )

    def stop(self, job: str) -> None:
        self._found(job, "training")[0].ask_to_stop()

    def start_evaluation(self, order: EvaluationOrder) -> None:
        document = {
            "kind": "evaluation",
            "job": order.job,
            "name": order.model_name,
            "task": order.task.value,
            "artifact": order.artifact,
            "data": dict(order.data),
            "labels": list(order.labels),
        }
        self._folders.add(order.name, document)
        if not self._evaluates_apart:
            folder = self._folders.find(order.name)
            folder.set_status(JobState.COMPLETED.value)
            self._folders.close(folder)

    def describe_evaluation(self, evaluation: str) -> EvaluationStatus:
        folder, order = self._found(evaluation, "evaluation")
        state, reason = _state(folder)
        out = folder.out if self._evaluates_apart else Path(order["artifact"])
        log = folder.log if self._evaluates_apart else out.parent / folder.log.name
        files = self._stored(evaluation, out) if state is JobState.COMPLETED else {}
        return EvaluationStatus(evaluation, state, reason, files, str(log))

    def stop_evaluation(self, evaluation: str) -> None:
        self._found(evaluation, "evaluation")[0].ask_to_stop()

    def _found(self, name: str, kind: str) -> tuple[JobFolder, dict[str, Any]]:
        folder = self._folders.find(name)
        order = folder.order()
        if order["kind"] != kind:
            raise JobNotFoundError(f"'{name}' is no {kind} job.")
        return folder, order

    def _stored(self, evaluation: str, out: Path) -> dict[str, str]:
        files = {name: f"jobs/{evaluation}/{name}" for name in EVALUATED if (out / name).exists()}
        for name, blob in files.items():
            self._blobs.put(blob, out / name)
        return files


def _state(folder: JobFolder) -> tuple[JobState, str]:
    status = folder.status()
    if status["state"] != QUEUED:
        return JobState(status["state"]), status["reason"]
    if folder.is_stop_asked:
        return JobState.STOPPED, "It was stopped before it began."
    return JobState.RUNNING, "It waits for the job before it."


def _refused(field: str, reason: str) -> InvalidFieldError:
    return InvalidFieldError(f"{field}: {reason}", errors=[{"field": field, "reason": reason}])
