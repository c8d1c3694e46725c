"""What was live when: one query for each target, however long ago."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from chalicelib.domain import fleet_records as records
from chalicelib.domain.inference import Task
from chalicelib.domain.ports import Cursor, Index, RecordStore
from chalicelib.domain.records import by_time

MAX_FLEETS = 1000
# The order is by milliseconds, and the last of them may have come after the moment: as many as it could hold.
A_MILLISECOND = 10
# Sorts after every id.
LAST = "~"


@dataclass(frozen=True)
class History:
    store: RecordStore

    def live_at(self, at_s: float) -> dict[str, Any]:
        """Target -> what was live on it; null where nothing was."""
        targets = [records.endpoint_target(task) for task in Task] + self._fleets()
        return {target: self._last(target, at_s) for target in targets}

    def _last(self, target: str, at_s: float) -> dict[str, Any] | None:
        until: Cursor = (by_time(at_s, LAST),)
        page = self.store.query(records.live_partition(target), after=until, limit=A_MILLISECOND, newest_first=True)
        found = next((record for record in page.records if record.body["at_s"] <= at_s), None)
        if found is None:
            return None
        body = dict(found.body)
        return {"since_s": body.pop("at_s"), **body} if body["model"] else None

    def _fleets(self) -> list[str]:
        page = self.store.query(records.FLEETS, index=Index.FIRST, limit=MAX_FLEETS)
        return [records.fleet_target_name(record.body["name"]) for record in page.records]
