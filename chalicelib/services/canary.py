"""Answering while a canary stands beside the primary: who answers, and how each of them does."""

from __future__ import annotations

import contextlib
import zlib
from dataclasses import dataclass

from chalicelib.domain import fleet_records as records
from chalicelib.domain.alias import Alias
from chalicelib.domain.errors import (
    EndpointFailedError,
    EndpointThrottledError,
    EndpointTimeoutError,
    ModelUnavailableError,
    StoreUnavailableError,
)
from chalicelib.domain.fleet_records import Shards
from chalicelib.domain.inference import Prediction, ServedModel
from chalicelib.domain.ports import Add, EndpointRuntime, RecordStore

# Of the time that a question has: what is left must be enough for the primary.
CANARY_SHARE_OF_TIME = 0.4
# A cold start, a time-out, no capacity: nothing is said about the model.
NOT_ITS_FAULT = (EndpointTimeoutError, EndpointThrottledError, ModelUnavailableError)


@dataclass(frozen=True)
class Canaries:
    store: RecordStore
    runtime: EndpointRuntime
    shards: Shards

    def answer(
        self, alias: Alias, prediction_id: str, image: bytes, deadline_s: float
    ) -> tuple[ServedModel, Prediction]:
        """Raises: what the primary's `predict` raises; a canary's failure is never the caller's."""
        if alias.canary is None:
            return alias.primary, self.runtime.predict(alias.primary, image, deadline_s=deadline_s)
        if alias.chosen(prediction_id) is alias.primary:
            return alias.primary, self._counted(alias, "primary", alias.primary, prediction_id, image, deadline_s)
        try:
            own_s = deadline_s * CANARY_SHARE_OF_TIME
            return alias.canary, self._counted(alias, "canary", alias.canary, prediction_id, image, own_s)
        except (EndpointFailedError, *NOT_ITS_FAULT):
            left_s = deadline_s * (1 - CANARY_SHARE_OF_TIME)
            return alias.primary, self.runtime.predict(alias.primary, image, deadline_s=left_s)

    def _counted(
        self, alias: Alias, variant: str, served: ServedModel, prediction_id: str, image: bytes, deadline_s: float
    ) -> Prediction:
        try:
            prediction = self.runtime.predict(served, image, deadline_s=deadline_s)
        except EndpointFailedError:
            self._count(alias, prediction_id, {f"{variant}.errors": 1})
            raise
        if not prediction.cold:
            unknown = int(bool(prediction.answer.get("unknown")))
            self._count(alias, prediction_id, {f"{variant}.answers": 1, f"{variant}.unknown": unknown})
        return prediction

    def _count(self, alias: Alias, prediction_id: str, counters: dict[str, int]) -> None:
        """A photo is answered also when the store cannot count it."""
        shard = zlib.crc32(prediction_id.encode()) % self.shards.number
        with contextlib.suppress(StoreUnavailableError):
            self.store.write(Add(records.variants_key(alias.canary_deployment_id or "", shard), counters))
