"""Use cases of the golden pool: every model's answers to it, and how well they tell two models apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chalicelib.domain import fleet_records as records
from chalicelib.domain.distance import distance, essence
from chalicelib.domain.errors import RecordNotFoundError
from chalicelib.domain.golden import GoldenPools
from chalicelib.domain.inference import ServedModel, Task
from chalicelib.domain.ports import Clock, EndpointRuntime, Put, Record, RecordStore
from chalicelib.domain.proof import SUBSET, TOLERANCES, PoolAnswers, discriminating
from chalicelib.services.timed_cache import TimedCache

# A Lambda behind a schedule may run longer, but one behind the API may not.
FILL_DEADLINE_S = 20.0
CHECKED_PHOTOS = 8


@dataclass(frozen=True)
class GoldenAnswers:
    """`timer` counts seconds; answers are kept by the artifact's digest, so that they never change."""

    store: RecordStore
    runtime: EndpointRuntime
    pools: GoldenPools
    timer: Clock
    cache: TimedCache[tuple[Task, str], PoolAnswers]

    def of(self, task: Task, digest: str) -> PoolAnswers | None:
        """The model's answers to the whole pool; None while some are missing."""
        try:
            return self.cache.get((task, digest), lambda: self._whole(task, digest))
        except RecordNotFoundError:
            return None

    def known(self, task: Task, digests: Sequence[str]) -> list[PoolAnswers]:
        """Of those models that have answered."""
        return [answers for answers in (self.of(task, digest) for digest in digests) if answers]

    def fill(self, served: ServedModel) -> PoolAnswers | None:
        """Ask `served` what is missing, for a while; None when that was too short. Raises: what `predict` raises."""
        until_s = self.timer() + FILL_DEADLINE_S
        answers = dict(self._stored(served.task, served.digest))
        for photo in self.pools.of(served.task).photos:
            left_s = until_s - self.timer()
            if photo.id in answers or left_s <= 0:
                continue
            prediction = self.runtime.predict(served, self.pools.read(photo.id), deadline_s=left_s)
            answers[photo.id] = essence(served.task, prediction.answer)
        self.keep(served.task, served.digest, answers)
        return self.of(served.task, served.digest)

    def keep(self, task: Task, digest: str, answers: PoolAnswers) -> None:
        """Also for the evaluation job, which answers the pool before anything is promoted."""
        key = records.pool_key(self.pools.of(task).name, digest)
        self.store.write(Put(Record(key, {"answers": dict(answers)}), expected_version=None))

    def fault(self, served: ServedModel) -> str:
        """Why `served` does not answer some golden photos as its model does; '' when it does, or nothing is known yet.

        Raises: what `predict` raises.
        """
        known = self.of(served.task, served.digest)
        if known is None:
            return ""
        for photo in list(known)[:: max(1, len(known) // CHECKED_PHOTOS)]:
            prediction = self.runtime.predict(served, self.pools.read(photo), deadline_s=FILL_DEADLINE_S)
            away = distance(served.task, prediction.answer, known[photo])
            if away > max(TOLERANCES.values()):
                return f"The endpoint answers golden photo {photo} as another model would (distance {away:.3f})."
        return ""

    def telling(self, task: Task, new: str, baseline: str | None, tolerance: float) -> tuple[int, int]:
        """How many photos tell the two models apart, and how many are needed."""
        answers = self.of(task, new)
        if answers is None or baseline is None or baseline == new:
            return len(self.pools.of(task).photos), SUBSET
        return len(discriminating(task, answers, self.known(task, [baseline]), tolerance)), SUBSET

    def _whole(self, task: Task, digest: str) -> PoolAnswers:
        answers = self._stored(task, digest)
        photos = [photo.id for photo in self.pools.of(task).photos]
        if any(photo not in answers for photo in photos):
            raise RecordNotFoundError(f"The model {digest[:12]} has not answered all golden photos yet.")
        return {photo: answers[photo] for photo in photos}

    def _stored(self, task: Task, digest: str) -> PoolAnswers:
        try:
            answers: PoolAnswers = self.store.get(records.pool_key(self.pools.of(task).name, digest)).body["answers"]
        except RecordNotFoundError:
            return {}
        return answers
