"""Use case of the three inference routes: which model answers, and its answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from chalicelib.domain import fleet_records, records
from chalicelib.domain.alias import Alias
from chalicelib.domain.errors import (
    EmptyImageError,
    EndpointTimeoutError,
    IllegalTransitionError,
    ModelNotFoundError,
    ModelTakenBackError,
    NoPromotedModelError,
    RecordNotFoundError,
    TaskMismatchError,
)
from chalicelib.domain.fleet_records import Shards
from chalicelib.domain.inference import Prediction, ServedModel, Task
from chalicelib.domain.model import ModelState
from chalicelib.domain.ports import Clock, EndpointRuntime, IdSource, RecordStore
from chalicelib.services.canary import Canaries
from chalicelib.services.timed_cache import TimedCache

# API Gateway gives up after 29 s.
DEADLINE_S = 25.0
TAKEN_BACK_RETRY_S = 60


@dataclass(frozen=True)
class Question:
    """What is asked of a photo: `model` pins one, `expected` is what a bin should hold, `reference` comes back."""

    task: Task
    model: str | None = None
    expected: int | None = None
    reference: str | None = None


@dataclass(frozen=True)
class Answered:
    """One prediction with everything that says where it came from."""

    id: str
    question: Question
    served: ServedModel
    prediction: Prediction
    total_ms: float


@dataclass(frozen=True)
class Inference:
    store: RecordStore
    runtime: EndpointRuntime
    timer: Clock
    new_id: IdSource
    aliases: TimedCache[Task, Alias]
    pinned: TimedCache[str, ServedModel]
    shards: Shards = field(default_factory=lambda: Shards(1))

    def deadline_s(self) -> float:
        """When a request that begins now must have its answer, on `timer`'s scale."""
        return self.timer() + DEADLINE_S

    def answer(self, question: Question, image: bytes, deadline_s: float) -> Answered:
        """Raises: NoPromotedModelError, ModelNotFoundError, TaskMismatchError, InvalidImageError, UnavailableError."""
        started_s, prediction_id = self.timer(), self.new_id()
        served = self.served(question.task, question.model)
        if not image:
            raise EmptyImageError("The photo has 0 bytes; send it whole, e.g. curl --data-binary @photo.jpg.")
        left_s = deadline_s - started_s
        if left_s <= 0:
            raise EndpointTimeoutError("The photos before this one took all the time; send fewer.", retry_after_s=1)
        if question.model is None:
            served, prediction = self._promoted_answer(question.task, prediction_id, image, left_s)
        else:
            prediction = self.runtime.predict(served, image, deadline_s=left_s)
        return Answered(prediction_id, question, served, prediction, (self.timer() - started_s) * 1000)

    def _promoted_answer(
        self, task: Task, prediction_id: str, image: bytes, left_s: float
    ) -> tuple[ServedModel, Prediction]:
        """By the primary, or by the canary where one has its share; the labels are always those of who answered."""
        alias = self.aliases.get(task, lambda: self._alias(task))
        return Canaries(self.store, self.runtime, self.shards).answer(alias, prediction_id, image, left_s)

    def promoted(self, task: Task) -> ServedModel:
        """Raises: NoPromotedModelError, ModelTakenBackError, StoreUnavailableError."""
        return self.aliases.get(task, lambda: self._alias(task)).primary

    def served(self, task: Task, pinned: str | None) -> ServedModel:
        """The model that answers.

        Raises: NoPromotedModelError, ModelTakenBackError, ModelNotFoundError, TaskMismatchError.
        """
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
            raise self._why_none(task) from error

    def _why_none(self, task: Task) -> NoPromotedModelError | ModelTakenBackError:
        """Nothing was promoted yet, or what was is taken back: a route that worked is missed by those who use it."""
        target = fleet_records.endpoint_target(task)
        page = self.store.query(fleet_records.live_partition(target), limit=1, newest_first=True)
        if not page.records:
            return NoPromotedModelError(
                f"No model is promoted for '{task.value}' yet. Register one with POST /models, approve it, "
                f'then promote it with POST /deploy {{"model": "<id>"}}.'
            )
        return ModelTakenBackError(
            f"Deployment {page.records[0].body['deployment']} was taken back, and nothing was promoted for "
            f"'{task.value}' before it. Promote another model with POST /deploy.",
            retry_after_s=TAKEN_BACK_RETRY_S,
        )

    def _pinned(self, model_id: str) -> ServedModel:
        """A pinned model answers where it is live, or beside it where the runtime can load any model."""
        try:
            model = records.model_from(self.store.get(records.model_key(model_id)))
        except RecordNotFoundError as error:
            raise ModelNotFoundError(f"There is no model '{model_id}'; GET /models lists them.") from error
        if model.state is not ModelState.APPROVED:
            raise IllegalTransitionError(
                f"Model {model.id} is {model.state.value}; only approved models answer.",
                state=model.state.value,
                legal=[ModelState.APPROVED.value],
            )
        live = self._live_as(model.task, model_id)
        if live is None and not self.runtime.answers_for_any:
            raise IllegalTransitionError(
                f"Model {model.id} has no endpoint: what is promoted answers here, its canary, and the one before it. "
                f"Promote it with POST /deploy.",
                state=model.state.value,
                legal=[],
            )
        return live or model.served_at(f"binsight-pinned-{model_id}")

    def _live_as(self, task: Task, model_id: str) -> ServedModel | None:
        try:
            alias = self.aliases.get(task, lambda: self._alias(task))
        except (NoPromotedModelError, ModelTakenBackError):
            return None
        live = (alias.primary, alias.canary, alias.previous)
        return next((served for served in live if served and served.model_id == model_id), None)


def answer_json(answered: Answered) -> dict[str, Any]:
    timings = {**answered.prediction.timings_ms, "total": answered.total_ms}
    question = answered.question
    body = {
        **answered.prediction.answer,
        "model": answered.served.identity(),
        "endpoint": answered.served.endpoint,
        "cold": answered.prediction.cold,
        "timings_ms": {stage: round(value, 3) for stage, value in timings.items()},
        "prediction_id": answered.id,
    }
    if question.expected is not None:
        body["expected"] = _expected_json(question.expected, answered.prediction.answer)
    if question.reference is not None:
        body["reference"] = question.reference
    return body


def _expected_json(expected: int, answer: Any) -> dict[str, Any]:
    """Whether the bin holds what it should; null where the model was never trained on so many."""
    probability = answer["probabilities"].get(str(expected))
    matches = None if probability is None else answer["count"] == expected
    return {"count": expected, "matches": matches, "probability": probability}
