"""The beginning of a promotion: everything that can be refused is refused here, by name; then one transaction."""

from __future__ import annotations

from dataclasses import dataclass, replace

from chalicelib.domain import fleet_records as records
from chalicelib.domain.capacity import Capacity, fitted
from chalicelib.domain.deployment import Deployment, DeploymentState, ModelRef, endpoint_name
from chalicelib.domain.device import Device
from chalicelib.domain.endpoint_target import EndpointTarget
from chalicelib.domain.errors import IllegalTransitionError, RecordNotFoundError, TaskMismatchError
from chalicelib.domain.fleet import FleetTarget, distinct
from chalicelib.domain.fleet_errors import (
    DeviceNotFoundError,
    EmptyFleetError,
    InvalidPlanError,
    NotDistinguishableError,
)
from chalicelib.domain.ledger import Change
from chalicelib.domain.model import Model, ModelState
from chalicelib.domain.plan import FleetPlan, Plan
from chalicelib.domain.ports import Check, Clock, EndpointRuntime, IdSource, Put, RecordStore, Write
from chalicelib.domain.records import model_key
from chalicelib.domain.ring import start_of
from chalicelib.services.golden_answers import GoldenAnswers
from chalicelib.services.ledger import Ledger
from chalicelib.services.model_registry import ModelRegistry
from chalicelib.services.promotion_facts import PromotionFacts
from chalicelib.services.promotion_steps import PromotionSteps
from chalicelib.services.targets import Targets, endpoint_target_record


@dataclass(frozen=True)
class Prospect:
    """A promotion that nothing speaks against, before it begins. `superseded`: those that it ends.

    `capacity` None: nothing is counted here, or no endpoint is asked for.
    """

    model: Model
    plan: Plan
    endpoint_target: EndpointTarget | None
    fleet_target: FleetTarget | None
    devices: int
    superseded: tuple[Deployment, ...]
    capacity: Capacity | None = None

    @property
    def start(self) -> int:
        """Where on the ring it will begin: known before it does, and elsewhere the next time."""
        target = self.fleet_target
        return start_of(f"{self.model.id}\n{target.fleet}\n{target.record_version}") if target else 0


@dataclass(frozen=True)
class PromotionStart:
    """`fills_at_once`: missing golden answers take seconds here."""

    store: RecordStore
    registry: ModelRegistry
    targets: Targets
    golden: GoldenAnswers
    facts: PromotionFacts
    steps: PromotionSteps
    ledger: Ledger
    clock: Clock
    new_id: IdSource
    runtime: EndpointRuntime
    fills_at_once: bool

    def begin(self, model_id: str, plan: Plan, actor: str) -> Deployment:
        """Raises: what `prospect` raises."""
        prospect = self.prospect(model_id, plan)
        deployment = self._deployment(prospect, actor)
        writes, names = self._beginning(prospect, deployment)
        details = {"model": model_id, "baseline": deployment.baseline, "targets": names, "reason": plan.reason}
        if prospect.superseded:
            details["superseded"] = [old.id for old in prospect.superseded]
        change = Change(actor, "deployment.started", deployment.id, details)
        self.ledger.commit(change, Put(records.deployment_record(deployment), expected_version=0), *writes)
        if plan.fleet:
            self.targets.forget(plan.fleet.fleet)
        return replace(deployment, record_version=1)

    def prospect(self, model_id: str, plan: Plan) -> Prospect:
        """Raises: ModelNotFoundError, IllegalTransitionError, FleetNotFoundError, EmptyFleetError, InvalidPlanError,
        TaskMismatchError, DeviceNotFoundError, NotDistinguishableError, QuotaExceededError.
        """
        model = self.registry.get(model_id)
        if model.state is not ModelState.APPROVED:
            raise IllegalTransitionError(
                f"Model {model.id} is {model.state.value}; approve it first with POST /models/{model.id}/approve.",
                state=model.state.value,
                legal=[ModelState.APPROVED.value],
            )
        devices = self._check_fleet(model, plan.fleet) if plan.fleet else 0
        plan = _fitted(plan, devices)
        endpoint_target = self.targets.endpoint(model.task) if plan.endpoint else None
        fleet_target = self.targets.fleet_target(plan.fleet.fleet) if plan.fleet else None
        capacity = self.runtime.capacity() if plan.endpoint else None
        if plan.endpoint and capacity:
            plan = replace(plan, endpoint=fitted(plan.endpoint, model.task, capacity))
        self._check_difference(model, plan, fleet_target)
        active = {target.active for target in (endpoint_target, fleet_target) if target and target.active}
        superseded = tuple(self.targets.deployment(id_) for id_ in sorted(active))
        return Prospect(model, plan, endpoint_target, fleet_target, devices, superseded, capacity)

    def _check_fleet(self, model: Model, plan: FleetPlan) -> int:
        """How many devices the fleet has."""
        fleet = self.targets.fleet(plan.fleet)
        devices = self.targets.count(plan.fleet).get("devices", 0)
        if devices == 0:
            raise EmptyFleetError(f"Fleet '{plan.fleet}' has no devices; enrol them with POST /devices.")
        if fleet.task is not None and fleet.task is not model.task:
            raise TaskMismatchError(
                f"Model '{model.id}' is for '{model.task.value}'; the fleet '{plan.fleet}' is for '{fleet.task.value}'."
            )
        for device_id in plan.first:
            self._device(device_id, plan.fleet)
        self._check_somebody_fits(ModelRef.of(model), plan)
        return devices

    def _check_somebody_fits(self, model: ModelRef, plan: FleetPlan) -> None:
        """Some may be unfit, and are listed; a model that nobody could prove would wait for ever."""
        named = [self._device(device_id, plan.fleet) for device_id in plan.devices]
        for device in named:
            if device.pinned is not None:
                raise InvalidPlanError(
                    f"Device '{device.id}' is pinned to {device.pinned.model_id}; take the pin away first.",
                    field="devices",
                )
        misfits = [device.misfit(model) for device in named]
        if misfits and all(misfits):
            raise InvalidPlanError(
                f"None of the named devices can run '{model.model_id}': {misfits[0]}", field="devices"
            )
        engines = self.targets.engines(plan.fleet)
        if not engines.keys() & set(model.engines):
            raise InvalidPlanError(
                f"No device of the fleet '{plan.fleet}' can run '{model.model_id}': it runs on "
                f"{', '.join(model.engines) or 'none'}; their engines are {', '.join(engines)}.",
                field="fleet",
            )

    def _device(self, device_id: str, fleet: str) -> Device:
        try:
            device = records.device_from(self.store.get(records.identity_key(device_id)))
        except RecordNotFoundError as error:
            raise DeviceNotFoundError(f"There is no device '{device_id}'; GET /devices lists them.") from error
        if device.fleet != fleet:
            raise InvalidPlanError(
                f"Device '{device_id}' is in the fleet '{device.fleet}', not in '{fleet}'.", field="devices"
            )
        return device

    def _check_difference(self, model: Model, plan: Plan, target: FleetTarget | None) -> None:
        """As soon as the answers can be had; where they cannot, the promotion itself finds out and fails."""
        standing = target.standing if target else None
        if (
            plan.fleet is None
            or plan.allow_indistinguishable
            or standing is None
            or standing.model.digest == model.digest
        ):
            return
        if self.fills_at_once and self.golden.of(model.task, str(model.digest)) is None:
            self.golden.fill(model.served_at(f"binsight-golden-{model.id}"))
        lack = self.facts.lack_of_difference(model.task, ModelRef.of(model), standing.model.digest, plan.fleet)
        if lack:
            raise NotDistinguishableError(lack, baseline=standing.model.model_id)

    def _deployment(self, prospect: Prospect, actor: str) -> Deployment:
        deployment_id, now_s, model = self.new_id(), self.clock(), ModelRef.of(prospect.model)
        target = prospect.fleet_target
        return Deployment(
            id=deployment_id,
            model=model,
            task=prospect.model.task,
            state=DeploymentState.PENDING,
            plan=prospect.plan,
            endpoint=endpoint_name(prospect.model.task, deployment_id),
            created_at_s=now_s,
            since_s=now_s,
            actor=actor,
            baseline_endpoint=prospect.endpoint_target.baseline if prospect.endpoint_target else None,
            baseline_fleet=target.standing.model if target and target.standing else None,
            rivals=_rivals(model.digest, target, prospect.superseded),
            devices=prospect.devices,
            start=prospect.start,
        )

    def _beginning(self, prospect: Prospect, deployment: Deployment) -> tuple[list[Write], list[str]]:
        """The writes beside the deployment itself, and the targets' names."""
        model = prospect.model
        writes: list[Write] = [Check(model_key(model.id), model.record_version)]
        names: list[str] = []
        if prospect.endpoint_target is not None:
            before = prospect.endpoint_target
            taken = replace(before, active=deployment.id)
            writes.append(Put(endpoint_target_record(taken), expected_version=before.record_version))
            names.append(records.endpoint_target(deployment.task))
            writes += self.steps.endpoint.without_canary(deployment.task)
        if prospect.fleet_target is not None:
            target = prospect.fleet_target
            taken_fleet = replace(target.without_overlay(), active=deployment.id, task=deployment.task)
            writes.append(Put(records.fleet_target_record(taken_fleet), expected_version=target.record_version))
            names.append(records.fleet_target_name(target.fleet))
            writes += self._with_task(target.fleet, deployment)
            writes += self.steps.standing_again(target, deployment.id)
        for old in prospect.superseded:
            writes += self.steps.supersession(old, deployment.id, set(names))[1]
        return writes, names

    def _with_task(self, name: str, deployment: Deployment) -> list[Write]:
        """A fleet's first promotion says what it is for."""
        fleet = self.targets.fleet(name)
        if fleet.task is not None:
            return []
        return [Put(records.fleet_record(replace(fleet, task=deployment.task)), expected_version=fleet.record_version)]


def _fitted(plan: Plan, devices: int) -> Plan:
    """The gate cannot ask for more devices than there are."""
    if plan.fleet is None or plan.fleet.gate.minimum <= devices:
        return plan
    return replace(plan, fleet=replace(plan.fleet, gate=replace(plan.fleet.gate, minimum=devices)))


def _rivals(new: str, target: FleetTarget | None, superseded: tuple[Deployment, ...]) -> tuple[str, ...]:
    """What a camera may still run: the baseline, and what was on its way or got stuck before."""
    if target is None:
        return ()
    found = [target.standing.model.digest] if target.standing else []
    found += [target.overlay.model.digest] if target.overlay else []
    found += [old.model.digest for old in superseded]
    # Of devices that were promoted by name before.
    found += [standing.model.digest for standing in target.named.values()]
    for old in superseded:
        found += old.rivals
    return distinct(found, but=new)
