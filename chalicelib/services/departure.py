"""A device that a promotion has reached and that then leaves its fleet, or is pinned: nobody waits for it any more."""

from __future__ import annotations

from dataclasses import dataclass, replace

from chalicelib.domain import fleet_records as records
from chalicelib.domain.counting import counter
from chalicelib.domain.device import LEFT, Device, Member
from chalicelib.domain.fleet import Overlay
from chalicelib.domain.ports import Add, Check, Clock, Delete, Put, Write
from chalicelib.services.tally import Tally
from chalicelib.services.targets import Targets

GONE = "It left the fleet, or was pinned."


@dataclass(frozen=True)
class Departures:
    targets: Targets
    tally: Tally
    clock: Clock

    def leaving(self, device: Device) -> list[Write]:
        """What goes with the device's own change. Undecided, it was never seen, and where it was named it counts as one
        that cannot; decided, it is told of as before, and the way back does not wait for it.
        """
        overlay = self._overlay(device)
        if overlay is None:
            return []
        promotion, member = overlay.deployment, self.tally.member(overlay.deployment, device.id)
        if member is None or member.outcome is None:
            is_named = device.id in overlay.devices
            return self._excused(promotion, device, member) if is_named else self._unseen(promotion, device, member)
        if member.back is not None or member.outcome == "incompatible":
            return []
        return self._put(promotion, member, replace(member, back=LEFT), {"back": 1})

    def returning(self, device: Device) -> list[Write]:
        """It belongs to its fleet again, and to the promotion that it had left."""
        overlay = self._overlay(device)
        member = self.tally.member(overlay.deployment, device.id) if overlay else None
        if overlay is None or member is None:
            return []
        if member.reason == GONE:
            amounts = {counter("incompatible", member.wave): -1}
            key = records.member_key(overlay.deployment, self.tally.shards.of(device.id), device.id)
            return [Delete(key, member.record_version), self._add(overlay.deployment, device.id, amounts)]
        if member.back == LEFT:
            return self._put(overlay.deployment, member, replace(member, back=None), {"back": -1})
        return []

    def _overlay(self, device: Device) -> Overlay | None:
        return self.targets.fleet_target(device.fleet).overlay

    def _unseen(self, promotion: str, device: Device, member: Member | None) -> list[Write]:
        key = records.member_key(promotion, self.tally.shards.of(device.id), device.id)
        if member is None:
            return [Check(key, 0)]
        return [
            Delete(key, member.record_version),
            self._add(promotion, device.id, {counter("seen", member.wave): -1}),
        ]

    def _excused(self, promotion: str, device: Device, member: Member | None) -> list[Write]:
        found = member or Member(device.id, 0, round(self.clock(), 3))
        amounts = {"incompatible": 1, **({"seen": -1} if member else {})}
        return self._put(promotion, found, found.decided("incompatible", GONE), amounts)

    def _put(self, promotion: str, before: Member, after: Member, amounts: dict[str, int]) -> list[Write]:
        record = records.member_record(promotion, self.tally.shards.of(after.device), after)
        counters = {counter(name, after.wave): amount for name, amount in amounts.items()}
        return [
            Put(record, expected_version=before.record_version),
            self._add(promotion, after.device, counters),
        ]

    def _add(self, promotion: str, device_id: str, counters: dict[str, int]) -> Add:
        return Add(records.counts_key(promotion, self.tally.shards.of(device_id)), counters)
