"""Use cases of training: start a job or record one, and stop it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from chalicelib.domain import records
from chalicelib.domain.cost import Price, check_budget
from chalicelib.domain.errors import JobRecordedError, RecordNotFoundError, WriteConflictError
from chalicelib.domain.inference import Task
from chalicelib.domain.ledger import Change
from chalicelib.domain.model import Model, ModelState
from chalicelib.domain.ports import IdSource, JobDefinitions, JobRunner, RecordStore
from chalicelib.domain.training_job import JobDefinition, JobOrder, TrainingRun, check_algorithm, job_name
from chalicelib.services.model_versions import ModelVersions
from chalicelib.services.training_progress import TrainingProgress


@dataclass(frozen=True)
class TrainingRequest:
    """`data`: channel to place, '' being the whole set; `hyperparameters` go over the definition's own."""

    definition: str
    data: Mapping[str, str]
    name: str | None = None
    hyperparameters: Mapping[str, str] | None = None
    allow_over_budget: bool = False


@dataclass(frozen=True)
class Training:
    store: RecordStore
    versions: ModelVersions
    runner: JobRunner
    definitions: JobDefinitions
    progress: TrainingProgress
    new_id: IdSource
    price: Callable[[JobDefinition], Price]
    budget_usd: float

    def start(self, request: TrainingRequest, actor: str) -> Model:
        """Raises: DefinitionNotFoundError, InvalidFieldError, OverBudgetError, TaskMismatchError,
        RunnerUnavailableError.
        """
        definition = self.definitions(request.definition)
        price = self.price(definition)
        check_budget(price, self.budget_usd, request.allow_over_budget)
        name = request.name or definition.name
        run = TrainingRun(
            job=job_name(name[:36].rstrip("-"), self.new_id()),
            algorithm=definition.algorithm,
            is_ours=True,
            definition=request.definition,
            data=request.data,
            hyperparameters={**definition.recipe(request.data), **(request.hyperparameters or {})},
            price=price.to_json(),
        )
        order = JobOrder(run.job, definition, run.data, run.hyperparameters)
        self.runner.check(order)
        model = self.versions.add(_draft(name, definition.task, run), actor)
        self.runner.start(order)
        return model

    def record(self, name: str, task: Task, job: str, labels: tuple[str, ...], actor: str) -> Model:
        """A job that exists already; while it runs, it is followed like any other.

        Raises: JobNotFoundError, JobMismatchError, JobRecordedError, TaskMismatchError, RunnerUnavailableError.
        """
        status = self.runner.describe(job)
        check_algorithm(status, task)
        run = TrainingRun(
            job=job,
            algorithm=status.algorithm,
            is_ours=False,
            data=status.data,
            hyperparameters=status.hyperparameters,
            labels=labels,
            logs=status.logs,
        )
        self._check_unrecorded(job)
        try:
            model = self.versions.add(_draft(name, task, run), actor)
        except WriteConflictError:
            self._check_unrecorded(job)
            raise
        return self._advanced(model)

    def stop(self, id_: str, actor: str) -> Model:
        """Ask the job or the evaluation to end; the model is `stopped` as soon as its runner says so.

        Raises: ModelNotFoundError, IllegalTransitionError, RunnerUnavailableError.
        """
        model = self.versions.get(id_)
        run = model.followed_run()
        if not run.is_stopping:
            asked = replace(model, run=replace(run, is_stopping=True))
            model = self.versions.change(asked, Change(actor, "model.stop_requested", id_, {"job": run.job}))
        return self._advanced(model)

    def _advanced(self, model: Model) -> Model:
        self.progress.advance(model)
        return self.versions.get(model.id)

    def _check_unrecorded(self, job: str) -> None:
        try:
            record = self.store.get(records.job_key(job))
        except RecordNotFoundError:
            return
        other = record.body["model"]
        raise JobRecordedError(f"Job '{job}' is recorded as model {other} already.", model=other)


def _draft(name: str, task: Task, run: TrainingRun) -> Model:
    """Id, version and time are given when it is stored."""
    return Model("", name, 0, task, ModelState.TRAINING, 0.0, run=run)
