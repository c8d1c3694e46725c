"""How fleets, devices, promotions' targets and counts lie in the store."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chalicelib.domain.counting import BAD
from chalicelib.domain.deployment import Deployment
from chalicelib.domain.device import Device, DeviceState, Member
from chalicelib.domain.fleet import Fleet, FleetTarget
from chalicelib.domain.inference import Task
from chalicelib.domain.ports import IndexKey, Key, Record
from chalicelib.domain.records import by_time
from chalicelib.domain.ring import place_name

FLEETS = "FLEETS"
# Deployments that the timer has something to do for.
ACTIVE = "ACTIVE"
DEPLOYMENTS = "DEPLOYMENTS"
IDENTITY = "IDENTITY"
KEEP_MEMBERS_S = 90 * 24 * 3600
PROOF_SECRET = Key("SECRET#proof", "SECRET")


def deployment_key(deployment_id: str) -> Key:
    return Key(f"DEPLOYMENT#{deployment_id}", "DEPLOYMENT")


def deployment_record(deployment: Deployment) -> Record:
    is_active = not deployment.is_terminal or bool(deployment.leftovers)
    position = by_time(deployment.created_at_s, deployment.id)
    return Record(
        deployment_key(deployment.id),
        deployment.to_body(),
        version=deployment.record_version + 1,
        index1=IndexKey(DEPLOYMENTS, position),
        index2=IndexKey(ACTIVE, position) if is_active else None,
    )


def deployment_from(record: Record) -> Deployment:
    return Deployment.from_body(record.body, record.version)


def fleet_key(name: str) -> Key:
    return Key(f"FLEET#{name}", "FLEET")


def fleet_record(fleet: Fleet) -> Record:
    index = IndexKey(FLEETS, fleet.name)
    return Record(fleet_key(fleet.name), fleet.to_body(), version=fleet.record_version + 1, index1=index)


def fleet_from(record: Record) -> Fleet:
    return Fleet.from_body(record.body, record.version)


def fleet_count_key(name: str) -> Key:
    """Counters: `devices`, and how many have each engine (`engine.<name>`)."""
    return Key(f"FLEET#{name}", "COUNT")


def ring_partition(fleet: str) -> str:
    """The fleet's devices in the order of their places."""
    return f"FLEET#{fleet}"


def ring_sort(place: int, device_id: str) -> str:
    return f"{place_name(place)}#{device_id}"


def identity_key(device_id: str) -> Key:
    return Key(f"DEVICE#{device_id}", IDENTITY)


def identity_record(device: Device) -> Record:
    index = IndexKey(ring_partition(device.fleet), ring_sort(device.place, device.id))
    return Record(identity_key(device.id), device.to_body(), version=device.record_version + 1, index1=index)


def device_from(record: Record) -> Device:
    return Device.from_body(record.body, record.version)


def state_key(device_id: str) -> Key:
    """In no index: heartbeats never write one."""
    return Key(f"DEVICE#{device_id}", "STATE")


def state_record(state: DeviceState) -> Record:
    return Record(state_key(state.device), state.to_body(), version=state.record_version + 1)


def state_from(record: Record) -> DeviceState:
    return DeviceState.from_body(record.body, record.version)


def endpoint_target(task: Task) -> str:
    return f"endpoint:{task.value}"


def fleet_target_name(fleet: str) -> str:
    return f"fleet:{fleet}"


def target_key(target: str) -> Key:
    return Key(f"TARGET#{target}", "TARGET")


def fleet_target_record(target: FleetTarget) -> Record:
    key = target_key(fleet_target_name(target.fleet))
    return Record(key, target.to_body(), version=target.record_version + 1)


def live_partition(target: str) -> str:
    return f"LIVE#{target}"


def live_record(target: str, at_s: float, deployment: str, body: Mapping[str, Any]) -> Record:
    """What is live on a target from now on; the latest before a moment says what was live then."""
    return Record(Key(live_partition(target), by_time(at_s, deployment)), {"at_s": at_s, **body})


@dataclass(frozen=True)
class Shards:
    """Members and counts of a promotion are spread over `number` places, a device always in the same one."""

    number: int

    def of(self, device_id: str) -> int:
        return zlib.crc32(device_id.encode()) % self.number

    def all(self) -> range:
        return range(self.number)


def counts_partition(deployment_id: str) -> str:
    return f"COUNTS#{deployment_id}"


def counts_key(deployment_id: str, shard: int) -> Key:
    return Key(counts_partition(deployment_id), f"SHARD#{shard:02d}")


def variants_partition(deployment_id: str) -> str:
    return f"VARIANTS#{deployment_id}"


def variants_key(deployment_id: str, shard: int) -> Key:
    return Key(variants_partition(deployment_id), f"SHARD#{shard:02d}")


def members_partition(deployment_id: str, shard: int) -> str:
    return f"MEMBERS#{deployment_id}#{shard:02d}"


def member_key(deployment_id: str, shard: int, device_id: str) -> Key:
    return Key(members_partition(deployment_id, shard), device_id)


def exposed_partition(deployment_id: str, shard: int) -> str:
    """Through index1: devices that have heard of the model and are not proved to be back."""
    return f"EXPOSED#{deployment_id}#{shard:02d}"


def waiting_partition(deployment_id: str, shard: int) -> str:
    """Through index2: devices that are not decided, by deadline."""
    return f"WAITING#{deployment_id}#{shard:02d}"


def named_partition(deployment_id: str) -> str:
    """Through index2: devices that did badly, by what they did."""
    return f"NAMED#{deployment_id}"


def member_record(deployment_id: str, shard: int, member: Member) -> Record:
    exposed = None
    if member.back is None and member.outcome != "incompatible":
        exposed = IndexKey(exposed_partition(deployment_id, shard), member.device)
    return Record(
        member_key(deployment_id, shard, member.device),
        member.to_body(),
        version=member.record_version + 1,
        index1=exposed,
        index2=_by_deadline_or_name(deployment_id, shard, member),
        expires_at_s=int(member.seen_at_s) + KEEP_MEMBERS_S,
    )


def member_from(record: Record) -> Member:
    return Member(**record.body, record_version=record.version)


def deadline_sort(deadline_s: float, device_id: str) -> str:
    return by_time(deadline_s, device_id)


def _by_deadline_or_name(deployment_id: str, shard: int, member: Member) -> IndexKey | None:
    if member.deadline_s is not None:
        return IndexKey(waiting_partition(deployment_id, shard), deadline_sort(member.deadline_s, member.device))
    named = "worse" if member.worse else member.outcome
    if named in (*BAD, "incompatible"):
        return IndexKey(named_partition(deployment_id), f"{named}#{member.device}")
    return None


def pool_key(pool: str, digest: str) -> Key:
    """A model's answers to a golden pool (`classify-1`)."""
    return Key(f"POOL#{pool}", digest)


def code_key(code_id: str) -> Key:
    return Key(f"CODE#{code_id}", "CODE")
