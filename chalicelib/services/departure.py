"""A device that a promotion has reached and that then leaves its fleet, or is pinned: nobody waits for it any more."""

from __future__ import annotations

from dataclasses import dataclass, replace

from chalicelib.domain import fleet_records as records
from chalicelib.domain.counting import counter
from chalicelib.domain.device import LEFT, Device, Member
from chalicelib.domain.ports import Add, Check, Delete, Put, Record, Write
from chalicelib.services.tally import Tally
from chalicelib.services.targets import Targets


@dataclass(frozen=True)
class Departures:
    targets: Targets
    tally: Tally

    def leaving(self, device: Device) -> list[Write]:
        """What goes with the device's own change. Undecided, it was never seen; decided, it is told of as before, and
        the way back does not wait for it.
        """
        promotion = self._promotion(device)
        if promotion is None:
            return []
        member = self.tally.member(promotion, device.id)
        if member is None:
            return [Check(records.member_key(promotion, self.tally.shards.of(device.id), device.id), 0)]
        if member.outcome is None:
            return [
                Delete(self._record(promotion, member).key, member.record_version),
                self._count(promotion, member, "seen", -1),
            ]
        if member.back is not None or member.outcome == "incompatible":
            return []
        return [*self._put(promotion, member, LEFT), self._count(promotion, member, "back", 1)]

    def returning(self, device: Device) -> list[Write]:
        """It belongs to its fleet again, and to the promotion that it had left."""
        promotion = self._promotion(device)
        member = self.tally.member(promotion, device.id) if promotion else None
        if promotion is None or member is None or member.back != LEFT:
            return []
        return [*self._put(promotion, member, None), self._count(promotion, member, "back", -1)]

    def _promotion(self, device: Device) -> str | None:
        overlay = self.targets.fleet_target(device.fleet).overlay
        return overlay.deployment if overlay else None

    def _put(self, promotion: str, member: Member, back: str | None) -> list[Write]:
        return [Put(self._record(promotion, replace(member, back=back)), expected_version=member.record_version)]

    def _record(self, promotion: str, member: Member) -> Record:
        return records.member_record(promotion, self.tally.shards.of(member.device), member)

    def _count(self, promotion: str, member: Member, name: str, amount: int) -> Add:
        shard = self.tally.shards.of(member.device)
        return Add(records.counts_key(promotion, shard), {counter(name, member.wave): amount})
