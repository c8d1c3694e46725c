"""What a promotion's steps write about the endpoint: the task's alias and its target."""

from __future__ import annotations

from dataclasses import dataclass, replace

from chalicelib.domain import fleet_records as records
from chalicelib.domain.alias import Alias
from chalicelib.domain.deployment import Deployment, EndpointBaseline
from chalicelib.domain.inference import ServedModel, Task
from chalicelib.domain.ports import Clock, Delete, Put, Write
from chalicelib.domain.records import alias_key
from chalicelib.services.model_registry import ModelRegistry
from chalicelib.services.promotion_writes import alias_writes
from chalicelib.services.targets import Targets, endpoint_target_record


@dataclass(frozen=True)
class EndpointSteps:
    targets: Targets
    registry: ModelRegistry
    clock: Clock

    def served(self, deployment: Deployment) -> ServedModel:
        return self.registry.get(deployment.model_id).served_at(deployment.endpoint)

    def with_canary(self, deployment: Deployment) -> tuple[list[Write], float]:
        """The alias with the new model beside the old one, and its share."""
        alias = self.targets.alias(deployment.task)
        assert alias is not None, "a canary stands beside a primary"
        share = deployment.plan.endpoint.canary_share if deployment.plan.endpoint else 0.0
        return alias_writes(alias.with_canary(self.served(deployment), share, deployment.id)), share

    def flipped(self, deployment: Deployment) -> list[Write]:
        """The alias on the new model."""
        before = self.targets.alias(deployment.task)
        alias = Alias(
            task=deployment.task,
            primary=self.served(deployment),
            deployment_id=deployment.id,
            previous=before.primary if before else None,
            record_version=before.record_version if before else 0,
        )
        return [*alias_writes(alias), self._live_endpoint(deployment, deployment.model_id)]

    def settled(self, deployment: Deployment) -> tuple[list[Write], set[str]]:
        """The new model as the next one's baseline, and the endpoints that it has replaced."""
        before, alias = self.targets.endpoint(deployment.task), self.targets.alias(deployment.task)
        assert alias is not None, "the alias was flipped before"
        baseline = EndpointBaseline(deployment.model_id, deployment.endpoint, deployment.id)
        target = replace(before, active=None, baseline=baseline)
        old = {each.endpoint for each in (before.baseline, alias.previous) if each} - {deployment.endpoint}
        put = Put(endpoint_target_record(target), before.record_version)
        return [put, *alias_writes(replace(alias, previous=None))], old

    def without_canary(self, task: Task) -> list[Write]:
        """The alias without the canary of a promotion that ends."""
        alias = self.targets.alias(task)
        return alias_writes(alias.without_canary()) if alias and alias.canary else []

    def restored(self, deployment: Deployment) -> list[Write]:
        """The alias as it was before this promotion and those it superseded; none where there was none."""
        if deployment.plan.endpoint is None:
            return []
        alias, baseline = self.targets.alias(deployment.task), deployment.baseline_endpoint
        if alias is None:
            return []
        if baseline is None:
            return [Delete(alias_key(alias.task), alias.record_version), self._live_endpoint(deployment, None)]
        if alias.primary.endpoint == baseline.endpoint:
            return alias_writes(alias.without_canary()) if alias.canary else []
        primary = self.registry.get(baseline.model_id).served_at(baseline.endpoint)
        back = Alias(alias.task, primary, baseline.deployment_id, record_version=alias.record_version)
        return [*alias_writes(back), self._live_endpoint(deployment, baseline.model_id)]

    def released(self, deployment: Deployment) -> list[Write]:
        if deployment.plan.endpoint is None:
            return []
        target = self.targets.endpoint(deployment.task)
        return [Put(endpoint_target_record(replace(target, active=None)), target.record_version)]

    def _live_endpoint(self, deployment: Deployment, model_id: str | None) -> Write:
        target = records.endpoint_target(deployment.task)
        body = {"model": model_id, "deployment": deployment.id}
        return Put(records.live_record(target, self.clock(), deployment.id, body), expected_version=None)
