"""Reading what tasks and fleets are to run."""

from __future__ import annotations

from dataclasses import dataclass

from chalicelib.domain import fleet_records as records
from chalicelib.domain.alias import Alias
from chalicelib.domain.deployment import Deployment, EndpointBaseline, ModelRef
from chalicelib.domain.device import Device
from chalicelib.domain.endpoint_target import EndpointTarget
from chalicelib.domain.errors import DeploymentNotFoundError, RecordNotFoundError
from chalicelib.domain.fleet import Fleet, FleetTarget
from chalicelib.domain.fleet_errors import FleetNotFoundError
from chalicelib.domain.inference import Task
from chalicelib.domain.ports import Index, Record, RecordStore
from chalicelib.domain.records import alias_from, alias_key
from chalicelib.domain.ring import RING, offset, place_name
from chalicelib.services.timed_cache import TimedCache

ENGINE = "engine."
# Some of the devices that are next cannot run the model or are pinned; these are not counted on.
SPARE_DEVICES = 4
# Where most of them cannot: as far as one query looks, so that a wave costs the same whatever the fleet's size.
MOST_LOOKED_AT = 500


@dataclass(frozen=True)
class Ahead:
    """The devices that come next on the ring. `fit`: those that can be promoted to; `is_all`: nobody comes after."""

    devices: tuple[Device, ...]
    fit: tuple[Device, ...]
    is_all: bool


@dataclass(frozen=True)
class Targets:
    """`recent`: fleet targets as they were a moment ago, for the many questions of the cameras."""

    store: RecordStore
    recent: TimedCache[str, FleetTarget]
    fleets: TimedCache[str, tuple[Fleet, int]]

    def deployment(self, deployment_id: str) -> Deployment:
        """Raises: DeploymentNotFoundError."""
        try:
            return records.deployment_from(self.store.get(records.deployment_key(deployment_id)))
        except RecordNotFoundError as error:
            raise DeploymentNotFoundError(
                f"There is no deployment '{deployment_id}'; GET /deploy lists them."
            ) from error

    def alias(self, task: Task) -> Alias | None:
        try:
            return alias_from(self.store.get(alias_key(task)))
        except RecordNotFoundError:
            return None

    def endpoint(self, task: Task) -> EndpointTarget:
        """A home from before there were targets has an alias only: what it points to has succeeded."""
        try:
            record = self.store.get(records.target_key(records.endpoint_target(task)))
        except RecordNotFoundError:
            return EndpointTarget(task, baseline=_live(self.alias(task)))
        return EndpointTarget.from_body(record.body, record.version)

    def fleet_target(self, fleet: str) -> FleetTarget:
        try:
            record = self.store.get(records.target_key(records.fleet_target_name(fleet)))
        except RecordNotFoundError:
            return FleetTarget(fleet)
        return FleetTarget.from_body(record.body, record.version)

    def recent_fleet_target(self, fleet: str) -> FleetTarget:
        return self.recent.get(fleet, lambda: self.fleet_target(fleet))

    def fleet(self, name: str) -> Fleet:
        """Raises: FleetNotFoundError."""
        try:
            return records.fleet_from(self.store.get(records.fleet_key(name)))
        except RecordNotFoundError as error:
            raise FleetNotFoundError(
                f"There is no fleet '{name}'; its first device makes it: POST /devices."
            ) from error

    def recent_fleet(self, name: str) -> tuple[Fleet, int]:
        """The fleet, and how many devices it has."""
        return self.fleets.get(name, lambda: (self.fleet(name), self.count(name).get("devices", 0)))

    def count(self, fleet: str) -> dict[str, int]:
        """`devices`, and `engine.<name>` for each engine."""
        try:
            return dict(self.store.get(records.fleet_count_key(fleet)).counters)
        except RecordNotFoundError:
            return {}

    def engines(self, fleet: str) -> dict[str, int]:
        """How many devices have which engine."""
        named = {name.removeprefix(ENGINE): n for name, n in self.count(fleet).items() if name.startswith(ENGINE)}
        return {name: number for name, number in named.items() if number > 0}

    def next_devices(self, fleet: str, place: int, wanted: int, way: int = RING) -> list[Device]:
        """The first `wanted` devices from `place` on, no further than `way`. One read; two where it passes zero."""
        partition = records.ring_partition(fleet)
        after = (place_name(place), "DEVICE#", records.IDENTITY)
        found = list(self.store.query(partition, index=Index.FIRST, after=after, limit=wanted).records)
        if len(found) < wanted:
            found += self.store.query(partition, index=Index.FIRST, limit=wanted - len(found)).records
        devices = {device.id: device for device in map(records.device_from, found)}
        return [device for device in devices.values() if offset(device.place, place) < way]

    def ahead(self, fleet: str, model: ModelRef, place: int, wanted: int, way: int = RING) -> Ahead:
        """As many as it takes until `wanted` of them can be promoted to. Looks again only where most of them cannot."""
        few = wanted + SPARE_DEVICES
        for looked_at in (few, max(few, MOST_LOOKED_AT)):
            devices = self.next_devices(fleet, place, looked_at, way)
            fit = tuple(device for device in devices if device.pinned is None and not device.misfit(model))
            found = Ahead(tuple(devices), fit, is_all=len(devices) < looked_at)
            if found.is_all or len(fit) >= wanted:
                break
        return found

    def forget(self, fleet: str) -> None:
        self.recent.forget(fleet)
        self.fleets.forget(fleet)


def endpoint_target_record(target: EndpointTarget) -> Record:
    key = records.target_key(records.endpoint_target(target.task))
    return Record(key, target.to_body(), version=target.record_version + 1)


def _live(alias: Alias | None) -> EndpointBaseline | None:
    if alias is None:
        return None
    return EndpointBaseline(alias.primary.model_id, alias.primary.endpoint, alias.deployment_id)
