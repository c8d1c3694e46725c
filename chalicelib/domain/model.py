"""A model in the registry: what it is, and which moves its state allows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from chalicelib.domain.errors import IllegalTransitionError
from chalicelib.domain.inference import ServedModel, Task
from chalicelib.domain.training_job import TrainingRun


class ModelState(Enum):
    TRAINING = "training"
    EVALUATING = "evaluating"
    READY = "ready"
    APPROVED = "approved"
    REJECTED = "rejected"
    FAILED = "failed"
    STOPPED = "stopped"
    RETIRED = "retired"


LEGAL_MOVES: Mapping[ModelState, frozenset[ModelState]] = {
    ModelState.TRAINING: frozenset({ModelState.EVALUATING, ModelState.FAILED, ModelState.STOPPED}),
    ModelState.EVALUATING: frozenset({ModelState.READY, ModelState.FAILED, ModelState.STOPPED}),
    ModelState.READY: frozenset({ModelState.APPROVED, ModelState.REJECTED, ModelState.RETIRED}),
    ModelState.APPROVED: frozenset({ModelState.REJECTED, ModelState.RETIRED}),
    ModelState.REJECTED: frozenset({ModelState.APPROVED, ModelState.RETIRED}),
    ModelState.FAILED: frozenset({ModelState.RETIRED}),
    ModelState.STOPPED: frozenset({ModelState.RETIRED}),
    ModelState.RETIRED: frozenset(),
}


FOLLOWED = (ModelState.TRAINING, ModelState.EVALUATING)


@dataclass(frozen=True)
class Model:
    """`override`: approved although below its gate. `cards`: the endings (`md`, `html`) of the cards kept with it."""

    id: str
    name: str
    version: int
    task: Task
    state: ModelState
    created_at_s: float
    digest: str | None = None
    bytes: int | None = None
    manifest: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""
    approved_by: str | None = None
    created_by: str = ""
    override: bool = False
    run: TrainingRun | None = None
    cards: tuple[str, ...] = ()
    record_version: int = 0

    @property
    def legal_moves(self) -> list[str]:
        return sorted(move.value for move in LEGAL_MOVES[self.state])

    @property
    def is_followed(self) -> bool:
        """A job or an evaluation is under way for it."""
        return self.state in FOLLOWED

    def moved_to(self, state: ModelState, reason: str = "") -> Model:
        """Raises: IllegalTransitionError, naming the legal moves."""
        if state not in LEGAL_MOVES[self.state]:
            names = self.legal_moves
            raise IllegalTransitionError(
                f"Model {self.id} is {self.state.value}; it can become {', '.join(names) or 'nothing else'}.",
                state=self.state.value,
                legal=names,
            )
        return replace(self, state=state, reason=reason)

    def followed_run(self) -> TrainingRun:
        """The job under way for it. Raises: IllegalTransitionError."""
        if self.run is None or not self.is_followed:
            raise IllegalTransitionError(
                f"Model {self.id} is {self.state.value}; no job is under way for it.",
                state=self.state.value,
                legal=self.legal_moves,
            )
        return self.run

    def served_at(self, endpoint: str) -> ServedModel:
        """This model as `endpoint` serves it. Raises: IllegalTransitionError when it has no artifact."""
        if self.digest is None:
            raise IllegalTransitionError(f"Model {self.id} is {self.state.value} and has no artifact to serve yet.")
        return ServedModel(
            endpoint=endpoint,
            model_id=self.id,
            version=self.version,
            digest=self.digest,
            task=self.task,
            container=self.manifest.get("container", "binsight"),
            manifest=self.manifest,
        )


def model_id(name: str, version: int) -> str:
    return f"{name}-{version}"


def artifact_name(digest: str) -> str:
    """Content-addressed, so that nothing is ever overwritten."""
    return f"artifacts/{digest}.tar.gz"


def card_name(digest: str, ending: str) -> str:
    """The card stands beside the artifact, never in it."""
    return f"cards/{digest}.{ending}"
