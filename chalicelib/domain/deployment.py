"""A promotion: one model on its way to the endpoint and the fleet, under one id."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from pydantic import TypeAdapter

from chalicelib.domain.alias import Alias
from chalicelib.domain.inference import Task
from chalicelib.domain.model import Model
from chalicelib.domain.plan import Plan

__all__ = ["Alias", "Deployment", "DeploymentState", "EndpointBaseline", "ModelRef", "OpenWave", "endpoint_name"]


class DeploymentState(Enum):
    PENDING = "pending"
    PROVING_ENDPOINT = "proving_endpoint"
    CANARY = "canary"
    ENDPOINT_LIVE = "endpoint_live"
    WAVE = "wave"
    PAUSED = "paused"
    REVERTING = "reverting"
    SUCCEEDED = "succeeded"
    EXPIRED = "expired"
    REVERTED = "reverted"
    REVERT_INCOMPLETE = "revert_incomplete"
    SUPERSEDED = "superseded"
    FAILED = "failed"


TERMINAL = frozenset(
    {
        DeploymentState.SUCCEEDED,
        DeploymentState.EXPIRED,
        DeploymentState.REVERTED,
        DeploymentState.REVERT_INCOMPLETE,
        DeploymentState.SUPERSEDED,
        DeploymentState.FAILED,
    }
)
# Nothing answers from the new endpoint yet and no camera has heard of the model.
BEFORE_LIVE = frozenset({DeploymentState.PENDING, DeploymentState.PROVING_ENDPOINT})


@dataclass(frozen=True)
class ModelRef:
    """All that a promotion and a camera's target need to know of a model."""

    model_id: str
    version: int
    digest: str
    bytes: int
    engines: tuple[str, ...]

    @classmethod
    def of(cls, model: Model) -> ModelRef:
        """Raises: IllegalTransitionError when the model has no artifact."""
        served = model.served_at("")
        engines = tuple(model.manifest.get("engines", ()))
        return cls(model.id, model.version, served.digest, model.bytes or 0, engines)


@dataclass(frozen=True)
class EndpointBaseline:
    """Where the task's route goes back to."""

    model_id: str
    endpoint: str
    deployment_id: str


@dataclass(frozen=True)
class OpenWave:
    """`length` of the arc from the promotion's start; `met_at_s`: since when its gate's counts have been fulfilled,
    later by every pause since; `slept_s`: how long it was paused.

    `minimum`: the gate's, or what is left of the fleet.
    """

    length: int
    minimum: int
    opened_at_s: float
    met_at_s: float | None = None
    lengthened: int = 0
    slept_s: float = 0.0

    def after_pause(self, slept_s: float) -> OpenWave:
        met_at_s = None if self.met_at_s is None else self.met_at_s + slept_s
        return replace(self, met_at_s=met_at_s, slept_s=self.slept_s + slept_s)


@dataclass(frozen=True)
class Deployment:
    """`since_s`: when the present state began, later by its pauses; `slept_s`: how long they were in all.

    `rivals`: digests that a camera may still run in truth. `paused_from`: the state to go on in. `confirmed`: the wave
    up to which an admin has let it go. `leftovers`: endpoints to remove from `clean_at_s` on. `devices`: how many the
    fleet had when it began; `start`: its place on the ring. `lack`: what its present state waits for and the account
    has not.
    """

    id: str
    model: ModelRef
    task: Task
    state: DeploymentState
    plan: Plan
    endpoint: str
    created_at_s: float
    since_s: float
    actor: str
    baseline_endpoint: EndpointBaseline | None = None
    baseline_fleet: ModelRef | None = None
    rivals: tuple[str, ...] = ()
    devices: int = 0
    start: int = 0
    waves: tuple[OpenWave, ...] = ()
    confirmed: int = 0
    paused_from: DeploymentState | None = None
    paused_at_s: float | None = None
    slept_s: float = 0.0
    reason: str = ""
    lack: str = ""
    outcome: Mapping[str, Any] | None = None
    leftovers: tuple[str, ...] = ()
    clean_at_s: float | None = None
    record_version: int = 0

    @property
    def model_id(self) -> str:
        return self.model.model_id

    @property
    def baseline(self) -> str | None:
        """The model that a revert goes back to."""
        if self.plan.endpoint is None:
            return self.baseline_fleet.model_id if self.baseline_fleet else None
        return self.baseline_endpoint.model_id if self.baseline_endpoint else None

    @property
    def is_terminal(self) -> bool:
        return self.state in TERMINAL

    @property
    def wave(self) -> int:
        """The wave that is open; -1 before the first."""
        return len(self.waves) - 1

    def moved_to(self, state: DeploymentState, now_s: float, reason: str = "") -> Deployment:
        return replace(self, state=state, since_s=now_s, reason=reason or self.reason, lack="")

    def paused(self, now_s: float) -> Deployment:
        return replace(self, state=DeploymentState.PAUSED, paused_from=self.state, paused_at_s=now_s)

    def resumed(self, now_s: float) -> Deployment:
        """In the state that it was paused in, as if no time had passed. It must be paused."""
        assert self.paused_from is not None, "only what is paused is resumed"
        slept_s = max(0.0, now_s - (self.paused_at_s or now_s))
        return replace(
            self,
            state=self.paused_from,
            paused_from=None,
            paused_at_s=None,
            since_s=self.since_s + slept_s,
            slept_s=self.slept_s + slept_s,
            waves=(*self.waves[:-1], *(wave.after_pause(slept_s) for wave in self.waves[-1:])),
        )

    def with_wave(self, changed: OpenWave) -> Deployment:
        """The open wave, changed."""
        return replace(self, waves=(*self.waves[:-1], changed))

    def to_body(self) -> dict[str, Any]:
        body: dict[str, Any] = _ADAPTER.dump_python(self, mode="json", exclude={"record_version"})
        return body

    @classmethod
    def from_body(cls, body: Mapping[str, Any], record_version: int) -> Deployment:
        return replace(_ADAPTER.validate_python(body), record_version=record_version)


_ADAPTER = TypeAdapter(Deployment)


def endpoint_name(task: Task, deployment_id: str) -> str:
    """Every promotion has an endpoint of its own, named before it is made."""
    return f"binsight-{task.value}-{deployment_id}"
