"""Use cases of fleets and their devices: enrol, find, move, pin, rotate, revoke."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from chalicelib.domain import fleet_records as records
from chalicelib.domain.access import AccessKey, Scope, token_hash
from chalicelib.domain.boots import Boots
from chalicelib.domain.deployment import ModelRef
from chalicelib.domain.device import DEVICE_PREFIX, Device, DeviceState, device_token
from chalicelib.domain.errors import InvalidKeyError, RecordNotFoundError, TaskMismatchError
from chalicelib.domain.fleet import Fleet
from chalicelib.domain.fleet_errors import (
    CodeUsedUpError,
    DeviceExistsError,
    DeviceNotFoundError,
    FleetNotFoundError,
    InvalidPlanError,
)
from chalicelib.domain.ledger import Change
from chalicelib.domain.model import Model
from chalicelib.domain.ports import Add, Clock, Cursor, Delete, IdSource, Index, Put, Record, RecordStore, Write
from chalicelib.services.contention import until_settled
from chalicelib.services.departure import Departures
from chalicelib.services.golden_answers import GoldenAnswers
from chalicelib.services.ledger import Ledger
from chalicelib.services.model_registry import ModelRegistry
from chalicelib.services.targets import Targets
from chalicelib.services.timed_cache import TimedCache

CODE_PREFIX = "bse"
LEFT = "left"
T = TypeVar("T")


@dataclass(frozen=True)
class NewDevice:
    id: str | None
    fleet: str
    site: str = ""
    hardware: str = ""
    engine: str = "onnxruntime"
    memory_mb: int | None = None


@dataclass(frozen=True)
class Fleets:
    """`identities`: devices as they were up to a minute ago; every request of a camera needs its own."""

    store: RecordStore
    targets: Targets
    registry: ModelRegistry
    golden: GoldenAnswers
    departures: Departures
    ledger: Ledger
    clock: Clock
    new_id: IdSource
    new_secret: Callable[[], str]
    pause: Callable[[float], None]
    identities: TimedCache[str, Device]

    def enrol(self, new: NewDevice, code: AccessKey | None = None) -> tuple[Device, str | None]:
        """The device and its key, which is shown this once; None when this very request had enrolled it before.

        `code`: the enrolment code that pays for it. Raises: DeviceExistsError, CodeUsedUpError.
        """
        device_id, secret = new.id or self.new_id(), self.new_secret()
        token = device_token(device_id, secret)
        device = Device(
            device_id, new.fleet, token_hash(token), self.clock(), new.site, new.hardware, new.engine, new.memory_mb
        )
        if new.id is None and self._exists(device_id):
            return self.get(device_id), None
        until_settled(lambda: self._write_new(device, code), self.pause, lambda error: not self._exists(device_id))
        self.targets.forget(new.fleet)
        return replace(device, record_version=1), token

    def get(self, device_id: str) -> Device:
        """Raises: DeviceNotFoundError."""
        try:
            return records.device_from(self.store.get(records.identity_key(device_id)))
        except RecordNotFoundError as error:
            raise DeviceNotFoundError(f"There is no device '{device_id}'; GET /devices lists them.") from error

    def recent(self, device_id: str) -> Device:
        """Raises: DeviceNotFoundError."""
        return self.identities.get(device_id, lambda: self.get(device_id))

    def state(self, device_id: str) -> DeviceState:
        try:
            return records.state_from(self.store.get(records.state_key(device_id)))
        except RecordNotFoundError:
            return DeviceState(device_id)

    def page(self, fleet: str, after: Cursor | None, limit: int) -> tuple[list[Device], Cursor | None]:
        """A fleet's devices in the order of their places. Raises: FleetNotFoundError."""
        self.targets.fleet(fleet)
        page = self.store.query(records.ring_partition(fleet), index=Index.FIRST, after=after, limit=limit)
        return [records.device_from(record) for record in page.records], page.next

    def change(self, device_id: str, fleet: str | None, site: str | None) -> Device:
        """Raises: DeviceNotFoundError, WriteConflictError."""
        return self._settled(lambda: self._change(device_id, fleet, site))

    def _change(self, device_id: str, fleet: str | None, site: str | None) -> Device:
        before = self.get(device_id)
        after = replace(before, fleet=fleet or before.fleet, site=before.site if site is None else site)
        writes: list[Write] = []
        if after.fleet != before.fleet:
            writes = [*self._counted(before, -1), *self._counted(after, 1), *self._new_fleet(after.fleet)]
            writes += [*self.departures.leaving(before), *self.departures.returning(after)]
        return self._store(before, after, *writes)

    def pin(self, device_id: str, model_id: str | None) -> Device:
        """Keep it to one model, or to its fleet's again. Raises: ModelNotFoundError, IllegalTransitionError,
        InvalidPlanError, TaskMismatchError, DeviceNotFoundError, WriteConflictError.
        """
        return self._settled(lambda: self._pin(device_id, model_id))

    def check_pin(self, device_id: str, model_id: str, fleet: str | None) -> None:
        """Whether it could be pinned to it in `fleet` (None: where it is). Raises: what `pin` raises."""
        device = self.get(device_id)
        model = self._fitting(device, model_id)
        with contextlib.suppress(FleetNotFoundError):
            self._task_writes(fleet or device.fleet, model)

    def _pin(self, device_id: str, model_id: str | None) -> Device:
        before = self.get(device_id)
        if model_id is None:
            return self._store(before, replace(before, pinned=None), *self.departures.returning(before))
        model = self._fitting(before, model_id)
        pinned = ModelRef.of(model)
        self._check_answers(model)
        writes = [*self._task_writes(before.fleet, model), *self.departures.leaving(before)]
        return self._store(before, replace(before, pinned=pinned), *writes)

    def _fitting(self, device: Device, model_id: str) -> Model:
        """Raises: ModelNotFoundError, IllegalTransitionError, InvalidPlanError."""
        model = self.registry.get(model_id)
        misfit = device.misfit(ModelRef.of(model))
        if misfit:
            raise InvalidPlanError(f"Device '{device.id}' cannot run '{model_id}': {misfit}", field="pinned")
        return model

    def rotate(self, device_id: str) -> tuple[Device, str]:
        """A new key; the old one ends, and so do the boots that were heard. Raises: DeviceNotFoundError."""
        return self._settled(lambda: self._rotate(device_id))

    def _rotate(self, device_id: str) -> tuple[Device, str]:
        before, token = self.get(device_id), device_token(device_id, self.new_secret())
        state = self.state(device_id)
        forgotten = replace(state, boots=Boots())
        put = Put(records.state_record(forgotten), expected_version=state.record_version)
        return self._store(before, replace(before, key_sha256=token_hash(token)), put), token

    def revoke(self, device_id: str) -> None:
        """Its key ends, and it belongs to no fleet any more. Raises: DeviceNotFoundError, WriteConflictError."""
        self._settled(lambda: self._revoke(device_id))

    def _revoke(self, device_id: str) -> None:
        before = self.get(device_id)
        identity, state = Delete(records.identity_key(device_id), before.record_version), records.state_key(device_id)
        self.store.write(identity, Delete(state), *self._counted(before, -1), *self.departures.leaving(before))
        self._forget(before, before)

    def _settled(self, step: Callable[[], T]) -> T:
        """The device may report at that very moment."""
        return until_settled(step, self.pause, lambda error: True)

    def fleet_page(self, after: Cursor | None, limit: int) -> tuple[list[Fleet], Cursor | None]:
        page = self.store.query(records.FLEETS, index=Index.FIRST, after=after, limit=limit)
        return [records.fleet_from(record) for record in page.records], page.next

    def change_fleet(self, name: str, changes: Mapping[str, Any], actor: str) -> Fleet:
        """Raises: FleetNotFoundError, TaskMismatchError, WriteConflictError."""
        before = self.targets.fleet(name)
        after = replace(before, **changes)
        self._check_task(before, after)
        change = Change(actor, "fleet.changed", name, {key: str(value) for key, value in changes.items()})
        self.ledger.commit(change, Put(records.fleet_record(after), expected_version=before.record_version))
        self.targets.forget(name)
        return after

    def _check_task(self, before: Fleet, after: Fleet) -> None:
        """Its cameras run models of the task that it has, and are proved on that task's photos."""
        target = self.targets.fleet_target(before.name)
        if after.task is before.task or not (target.active or target.standing or target.overlay or target.named):
            return
        was, wanted = (fleet.task.value if fleet.task else "no task" for fleet in (before, after))
        raise TaskMismatchError(
            f"Models for '{was}' were promoted to the fleet '{before.name}'; for '{wanted}' take another fleet, and "
            "move its cameras there: PATCH /devices/{id}."
        )

    def new_code(self, fleet: str, devices: int, expires_in_s: int, actor: str) -> tuple[str, int, str]:
        """An enrolment code for so many devices: its id, when it ends, and the code itself, shown this once."""
        code_id, secret = self.new_id(), self.new_secret()
        token, until_s = f"{CODE_PREFIX}_{code_id}_{secret}", int(self.clock()) + expires_in_s
        body = {"fleet": fleet, "sha256": token_hash(token), "until_s": until_s}
        record = Record(records.code_key(code_id), body, counters={LEFT: devices}, expires_at_s=until_s)
        put = Put(record, expected_version=0)
        self.ledger.commit(Change(actor, "fleet.code_made", fleet, {"code": code_id, "devices": devices}), put)
        return code_id, until_s, token

    def key_sources(self) -> dict[str, Callable[[str], AccessKey]]:
        """How authentication finds the keys of devices and codes."""
        return {DEVICE_PREFIX: lambda device_id: self.recent(device_id).key, CODE_PREFIX: self.code_access}

    def code_access(self, code_id: str) -> AccessKey:
        """How authentication sees a code. Raises: RecordNotFoundError, InvalidKeyError."""
        body = self.store.get(records.code_key(code_id)).body
        if body["until_s"] <= self.clock():
            raise InvalidKeyError("This enrolment code has expired; ask for another: POST /fleets/{fleet}/codes.")
        return AccessKey(f"code:{code_id}", body["sha256"], frozenset({Scope.ENROL}), body["fleet"], 0.0)

    def _write_new(self, device: Device, code: AccessKey | None) -> None:
        writes: list[Write] = [Put(records.identity_record(device), expected_version=0), *self._counted(device, 1)]
        if code is not None:
            writes.append(self._used(code))
        if self._exists(device.id):
            raise DeviceExistsError(f"There is a device '{device.id}' already; take another id, or rotate its key.")
        self.store.write(*writes, *self._new_fleet(device.fleet))

    def _used(self, code: AccessKey) -> Write:
        """A whole batch enrols at once: the cameras count down together, and none waits for another's turn."""
        key = records.code_key(code.id.partition(":")[2])
        if self.store.get(key).counters[LEFT] < 1:
            raise CodeUsedUpError("This enrolment code has enrolled as many devices as it may; ask for another.")
        return Add(key, {LEFT: -1}, least=0)

    def _exists(self, device_id: str) -> bool:
        try:
            self.store.get(records.identity_key(device_id))
        except RecordNotFoundError:
            return False
        return True

    def _new_fleet(self, name: str) -> list[Write]:
        """A fleet begins with its first device."""
        try:
            self.store.get(records.fleet_key(name))
        except RecordNotFoundError:
            return [Put(records.fleet_record(Fleet(name, self.clock())), expected_version=0)]
        return []

    def _counted(self, device: Device, amount: int) -> list[Write]:
        counters = {"devices": amount, f"engine.{device.engine}": amount}
        return [Add(records.fleet_count_key(device.fleet), counters)]

    def _task_writes(self, name: str, model: Model) -> list[Write]:
        """A fleet has one task. Raises: TaskMismatchError."""
        fleet = self.targets.fleet(name)
        if fleet.task is model.task:
            return []
        if fleet.task is not None:
            raise TaskMismatchError(
                f"Model '{model.id}' is for '{model.task.value}'; the fleet is for '{fleet.task.value}'."
            )
        return [Put(records.fleet_record(replace(fleet, task=model.task)), expected_version=fleet.record_version)]

    def _check_answers(self, model: Model) -> None:
        """A pinned camera is proved as well."""
        if self.golden.of(model.task, str(model.digest)) is not None:
            return
        if self.golden.fill(model.served_at(f"binsight-golden-{model.id}")) is None:
            raise InvalidPlanError(f"'{model.id}' has not answered all golden photos yet; try again.", field="pinned")

    def _store(self, before: Device, after: Device, *writes: Write) -> Device:
        put = Put(records.identity_record(after), expected_version=before.record_version)
        self.store.write(put, *writes)
        self._forget(before, after)
        return replace(after, record_version=before.record_version + 1)

    def _forget(self, before: Device, after: Device) -> None:
        self.identities.forget(before.id)
        for fleet in {before.fleet, after.fleet}:
            self.targets.forget(fleet)
