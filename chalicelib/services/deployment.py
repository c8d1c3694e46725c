"""Use cases of promotion: make an endpoint, prove it, point the task's alias to it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from chalicelib.domain import records
from chalicelib.domain.deployment import Alias, Deployment, DeploymentState, endpoint_name
from chalicelib.domain.errors import (
    DeploymentNotFoundError,
    EndpointFailedError,
    IllegalTransitionError,
    ModelUnavailableError,
    ProofFailedError,
    RecordNotFoundError,
)
from chalicelib.domain.inference import Task
from chalicelib.domain.ledger import Change
from chalicelib.domain.model import Model, ModelState
from chalicelib.domain.ports import Clock, Cursor, EndpointRuntime, IdSource, Index, Put, RecordStore
from chalicelib.services.ledger import Ledger
from chalicelib.services.model_registry import ModelRegistry
from chalicelib.services.timed_cache import TimedCache


@dataclass(frozen=True)
class Deployments:
    store: RecordStore
    registry: ModelRegistry
    runtime: EndpointRuntime
    ledger: Ledger
    clock: Clock
    new_id: IdSource
    aliases: TimedCache[Task, Alias]

    def promote(self, model_id: str, actor: str) -> Deployment:
        """Prove the model on an endpoint of its own, then let the task's alias point there.

        A deployment that fails says why in `reason` and leaves the alias as it was.
        Raises: ModelNotFoundError, IllegalTransitionError when the model is not approved.
        """
        model = self.registry.get(model_id)
        if model.state is not ModelState.APPROVED:
            raise IllegalTransitionError(
                f"Model {model.id} is {model.state.value}; approve it first with POST /models/{model.id}/approve.",
                state=model.state.value,
                legal=[ModelState.APPROVED.value],
            )
        deployment = self._begin(model, actor)
        served = model.served_at(deployment.endpoint)
        try:
            self.runtime.create(served, {})
            self.runtime.prove(served)
        except (ProofFailedError, EndpointFailedError, ModelUnavailableError) as error:
            return self._fail(deployment, actor, error.detail)
        return self._flip(deployment, model, actor)

    def get(self, deployment_id: str) -> Deployment:
        """Raises: DeploymentNotFoundError."""
        try:
            return records.deployment_from(self.store.get(records.deployment_key(deployment_id)))
        except RecordNotFoundError as error:
            raise DeploymentNotFoundError(
                f"There is no deployment '{deployment_id}'; GET /deploy lists them."
            ) from error

    def page(self, after: Cursor | None, limit: int) -> tuple[list[Deployment], Cursor | None]:
        page = self.store.query(records.DEPLOYMENTS, index=Index.FIRST, after=after, limit=limit, newest_first=True)
        return [records.deployment_from(record) for record in page.records], page.next

    def alias(self, task: Task) -> Alias | None:
        try:
            return records.alias_from(self.store.get(records.alias_key(task)))
        except RecordNotFoundError:
            return None

    def _begin(self, model: Model, actor: str) -> Deployment:
        alias = self.alias(model.task)
        deployment_id = self.new_id()
        deployment = Deployment(
            id=deployment_id,
            model_id=model.id,
            task=model.task,
            state=DeploymentState.PROVING_ENDPOINT,
            endpoint=endpoint_name(model.task, deployment_id),
            created_at_s=self.clock(),
            baseline=alias.primary.model_id if alias else None,
        )
        change = Change(
            actor, "deployment.started", deployment.id, {"model": model.id, "baseline": deployment.baseline}
        )
        self.ledger.commit(change, Put(records.deployment_record(deployment), expected_version=0))
        return replace(deployment, record_version=1)

    def _fail(self, deployment: Deployment, actor: str, reason: str) -> Deployment:
        failed = deployment.moved_to(DeploymentState.FAILED, reason)
        self.runtime.delete(deployment.endpoint)
        change = Change(actor, "deployment.failed", deployment.id, {"model": deployment.model_id, "reason": reason})
        self.ledger.commit(change, Put(records.deployment_record(failed), expected_version=deployment.record_version))
        return failed

    def _flip(self, deployment: Deployment, model: Model, actor: str) -> Deployment:
        before = self.alias(model.task)
        alias = Alias(
            task=model.task,
            primary=model.served_at(deployment.endpoint),
            deployment_id=deployment.id,
            previous=before.primary if before else None,
            record_version=before.record_version if before else 0,
        )
        done = deployment.moved_to(DeploymentState.SUCCEEDED)
        change = Change(actor, "alias.flipped", model.task.value, {"model": model.id, "deployment": deployment.id})
        self.ledger.commit(
            change,
            Put(records.alias_record(alias), expected_version=alias.record_version),
            Put(records.deployment_record(done), expected_version=deployment.record_version),
        )
        self.aliases.forget(model.task)
        return done
