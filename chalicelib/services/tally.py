"""Reading a promotion's counts, canary figures and members; writing the time-outs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from chalicelib.domain import fleet_records as records
from chalicelib.domain.canary import VariantCounts
from chalicelib.domain.counting import Counts, counter
from chalicelib.domain.device import Member
from chalicelib.domain.errors import RecordNotFoundError, WriteConflictError
from chalicelib.domain.fleet_records import Shards
from chalicelib.domain.ports import Add, Cursor, Index, Put, RecordStore

MAX_SHARDS = 100
TIME_OUTS_A_WRITE = 90
MOST_NAMES = 1000
MAX_WRITES = 50
PAGE = 200


@dataclass(frozen=True)
class Tally:
    store: RecordStore
    shards: Shards

    def counts(self, deployment_id: str) -> Counts:
        """Summed over all shards, strongly consistent: what was counted before is in it."""
        page = self.store.query(records.counts_partition(deployment_id), limit=MAX_SHARDS)
        return Counts.summed(record.counters for record in page.records)

    def variants(self, deployment_id: str) -> VariantCounts:
        page = self.store.query(records.variants_partition(deployment_id), limit=MAX_SHARDS)
        return VariantCounts.summed(record.counters for record in page.records)

    def member(self, deployment_id: str, device_id: str) -> Member | None:
        try:
            key = records.member_key(deployment_id, self.shards.of(device_id), device_id)
            return records.member_from(self.store.get(key))
        except RecordNotFoundError:
            return None

    def members(self, deployment_id: str) -> Iterator[Member]:
        for shard in self.shards.all():
            after: Cursor | None = None
            while True:
                page = self.store.query(records.members_partition(deployment_id, shard), after=after, limit=PAGE)
                yield from map(records.member_from, page.records)
                after = page.next
                if after is None:
                    break

    def page_of_named(
        self, deployment_id: str, outcome: str, after: Cursor | None, limit: int
    ) -> tuple[list[Member], Cursor | None]:
        """Devices that did badly, by name; `outcome` '' lists all of them."""
        page = self.store.query(
            records.named_partition(deployment_id),
            index=Index.SECOND,
            prefix=outcome and f"{outcome}#",
            after=after,
            limit=limit,
        )
        return [records.member_from(record) for record in page.records], page.next

    def not_back(self, deployment_id: str) -> list[str]:
        """Who has heard of the model and is not proved to be back, the first thousand."""
        names: list[str] = []
        for shard in self.shards.all():
            page = self.store.query(
                records.exposed_partition(deployment_id, shard), index=Index.FIRST, limit=MOST_NAMES - len(names)
            )
            names += [record.key.sort for record in page.records]
            if len(names) >= MOST_NAMES:
                break
        return sorted(names)

    def time_out(self, deployment_id: str, now_s: float) -> int:
        """Decide for all whose deadline has passed; how many they were."""
        return sum(self._time_out_shard(deployment_id, shard, now_s) for shard in self.shards.all())

    def _time_out_shard(self, deployment_id: str, shard: int, now_s: float) -> int:
        done = 0
        for _ in range(MAX_WRITES):
            late = self._late(deployment_id, shard, now_s)
            try:
                self._write_time_outs(deployment_id, shard, late)
                done += len(late)
            except WriteConflictError:
                # One of them has just reported, or the index lags behind: it is read again, and at the next tick.
                continue
            if len(late) < TIME_OUTS_A_WRITE:
                break
        return done

    def _late(self, deployment_id: str, shard: int, now_s: float) -> list[Member]:
        page = self.store.query(
            records.waiting_partition(deployment_id, shard), index=Index.SECOND, limit=TIME_OUTS_A_WRITE
        )
        members = map(records.member_from, page.records)
        return [each for each in members if each.deadline_s is not None and each.deadline_s <= now_s]

    def _write_time_outs(self, deployment_id: str, shard: int, late: list[Member]) -> None:
        if not late:
            return
        amounts: dict[str, int] = {}
        for member in late:
            name = counter("timed_out", member.wave)
            amounts[name] = amounts.get(name, 0) + 1
        puts = [
            Put(
                records.member_record(deployment_id, shard, member.decided("timed_out", "No verdict by its deadline.")),
                expected_version=member.record_version,
            )
            for member in late
        ]
        self.store.write(*puts, Add(records.counts_key(deployment_id, shard), amounts))
