"""Every use case the API calls, as the composition root makes them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from chalicelib.domain.access import AccessKey
from chalicelib.services.access import Access
from chalicelib.services.camera_event import CameraEvents
from chalicelib.services.camera_frame import CameraFrames
from chalicelib.services.check_in import CheckIns
from chalicelib.services.deployment import Deployments
from chalicelib.services.dry_run import DryRuns
from chalicelib.services.fleet import Fleets
from chalicelib.services.history import History
from chalicelib.services.idempotency import Idempotency
from chalicelib.services.inference import Inference
from chalicelib.services.ledger import Ledger
from chalicelib.services.model_registry import ModelRegistry
from chalicelib.services.training import Training
from chalicelib.services.upload import Uploads


class RateLimit(Protocol):
    def __call__(self, caller: AccessKey) -> None:
        """Count one request. Raises: RateLimitedError."""


class WorkingMemory(Protocol):
    def __call__(self, size_bytes: int) -> AbstractContextManager[None]:
        """So much memory, to the end of the block. Raises: ServerBusyError."""


@dataclass(frozen=True)
class Services:
    access: Access
    inference: Inference
    models: ModelRegistry
    training: Training
    deployments: Deployments
    dry_runs: DryRuns
    fleets: Fleets
    check_ins: CheckIns
    history: History
    events: CameraEvents
    frames: CameraFrames
    uploads: Uploads
    ledger: Ledger
    idempotency: Idempotency
    rate_limit: RateLimit
    working_memory: WorkingMemory
    is_healthy: Callable[[], bool]

    def tick(self) -> None:
        """What a timer calls: everything that goes on without anyone asking."""
        self.training.progress.tick()
        self.deployments.tick()
