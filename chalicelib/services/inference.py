"""Use case of the three inference routes: which model answers, and its answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from chalicelib.domain import records
from chalicelib.domain.deployment import Alias
from chalicelib.domain.errors import (
    EmptyImageError,
    ModelNotFoundError,
    NoPromotedModelError,
    RecordNotFoundError,
    TaskMismatchError,
)
from chalicelib.domain.inference import Prediction, ServedModel, Task
from chalicelib.domain.ports import Clock, EndpointRuntime, IdSource, RecordStore
from chalicelib.services.timed_cache import TimedCache

DEADLINE_S = 25.0


@dataclass(frozen=True)
class Answered:
    """One prediction with everything that says where it came from."""

    id: str
    served: ServedModel
    prediction: Prediction
    total_ms: float


@dataclass(frozen=True)
class Inference:
    store: RecordStore
    runtime: EndpointRuntime
    clock: Clock
    timer: Clock
    new_id: IdSource
    aliases: TimedCache[Task, Alias]
    pinned: TimedCache[str, ServedModel]

    def answer(self, task: Task, image: bytes, pinned: str | None = None) -> Answered:
        """Raises: NoPromotedModelError, ModelNotFoundError, TaskMismatchError, InvalidImageError, UnavailableError."""
        started_s = self.timer()
        served = self._served(task, pinned)
        if not image:
            raise EmptyImageError("The body has 0 bytes; send the photo itself, e.g. curl --data-binary @photo.jpg.")
        prediction = self.runtime.predict(served, image, deadline_s=DEADLINE_S)
        return Answered(self.new_id(), served, prediction, (self.timer() - started_s) * 1000)

    def promoted(self, task: Task) -> ServedModel:
        """Raises: NoPromotedModelError, StoreUnavailableError."""
        return self.aliases.get(task, lambda: self._alias(task)).primary

    def _served(self, task: Task, pinned: str | None) -> ServedModel:
        if pinned is None:
            return self.promoted(task)
        served = self.pinned.get(pinned, lambda: self._pinned(pinned))
        if served.task is not task:
            raise TaskMismatchError(
                f"Model '{pinned}' is of the task '{served.task.value}'; ask it at POST /{served.task.value}."
            )
        return served

    def _alias(self, task: Task) -> Alias:
        try:
            return records.alias_from(self.store.get(records.alias_key(task)))
        except RecordNotFoundError as error:
            raise NoPromotedModelError(
                f"No model is promoted for '{task.value}' yet. Register one with POST /models, approve it, "
                f'then promote it with POST /deploy {{"model": "<id>"}}.'
            ) from error

    def _pinned(self, model_id: str) -> ServedModel:
        """A pinned model answers where it is live, or beside it where the runtime can load any model."""
        try:
            model = records.model_from(self.store.get(records.model_key(model_id)))
        except RecordNotFoundError as error:
            raise ModelNotFoundError(f"There is no model '{model_id}'; GET /models lists them.") from error
        return model.served_at(f"binsight-pinned-{model_id}")


def answer_json(answered: Answered, request_id: str) -> dict[str, Any]:
    timings = {**answered.prediction.timings_ms, "total": answered.total_ms}
    return {
        **answered.prediction.answer,
        "model": answered.served.identity(),
        "endpoint": answered.served.endpoint,
        "cold": answered.prediction.cold,
        "timings_ms": {stage: round(value, 3) for stage, value in timings.items()},
        "prediction_id": answered.id,
        "request_id": request_id,
    }
