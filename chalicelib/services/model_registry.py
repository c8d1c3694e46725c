"""Use cases of the model registry."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from chalicelib.domain import records
from chalicelib.domain.errors import ModelNotFoundError, RecordNotFoundError, WriteConflictError
from chalicelib.domain.inference import Task
from chalicelib.domain.ledger import Change
from chalicelib.domain.model import Model, ModelState, artifact_name, model_id
from chalicelib.domain.ports import (
    ArtifactInspector,
    BlobStore,
    Clock,
    Cursor,
    Index,
    InspectedArtifact,
    Put,
    Record,
    RecordStore,
)
from chalicelib.services.ledger import Ledger

MAX_TRIES = 60


@dataclass(frozen=True)
class ModelRegistry:
    store: RecordStore
    blobs: BlobStore
    inspector: ArtifactInspector
    ledger: Ledger
    clock: Clock
    pause: Callable[[float], None] = time.sleep

    def register_artifact(self, blob_name: str, sha256: str, name: str | None, actor: str) -> Model:
        """Check the artifact stored under `blob_name`, keep it by its digest, give it the name's next version.

        Raises: InvalidArtifactError, BlobNotFoundError, StoreUnavailableError.
        """
        inspected = self.inspector.inspect(blob_name, sha256)
        self.blobs.copy(blob_name, artifact_name(inspected.digest))
        for attempt in range(MAX_TRIES):
            model, head = self._next(name or inspected.manifest["name"], inspected)
            details = {"digest": model.digest, "state": model.state.value}
            change = Change(actor, "model.registered", model.id, details)
            try:
                self.ledger.commit(
                    change,
                    Put(_name_head(model), expected_version=head),
                    Put(records.model_record(model), expected_version=0),
                )
            except WriteConflictError:
                if attempt == MAX_TRIES - 1:
                    raise
                self.pause(random.uniform(0, 0.002 * min(attempt + 1, 25)))
            else:
                return replace(model, record_version=1)
        raise AssertionError("unreachable: the last try returns or raises")

    def get(self, id_: str) -> Model:
        """Raises: ModelNotFoundError."""
        try:
            return records.model_from(self.store.get(records.model_key(id_)))
        except RecordNotFoundError as error:
            raise ModelNotFoundError(f"There is no model '{id_}'; GET /models lists them.") from error

    def page(self, task: Task | None, after: Cursor | None, limit: int) -> tuple[list[Model], Cursor | None]:
        index = Index.SECOND if task else Index.FIRST
        partition = f"{records.MODELS}#{task.value}" if task else records.MODELS
        page = self.store.query(partition, index=index, after=after, limit=limit, newest_first=True)
        return [records.model_from(record) for record in page.records], page.next

    def move(self, id_: str, state: ModelState, actor: str, reason: str = "") -> Model:
        """Raises: ModelNotFoundError, IllegalTransitionError, WriteConflictError."""
        model = self.get(id_)
        moved = model.moved_to(state, reason)
        if state is ModelState.APPROVED:
            moved = replace(moved, approved_by=actor)
        change = Change(actor, f"model.{state.value}", id_, {"from": model.state.value, "reason": reason})
        self.ledger.commit(change, Put(records.model_record(moved), expected_version=model.record_version))
        return replace(moved, record_version=model.record_version + 1)

    def artifact_url(self, id_: str, expires_s: int) -> str:
        """Raises: ModelNotFoundError, IllegalTransitionError."""
        served = self.get(id_).served_at("")
        return self.blobs.download_url(artifact_name(served.digest), expires_s)

    def _next(self, name: str, inspected: InspectedArtifact) -> tuple[Model, int]:
        try:
            head: Record | None = self.store.get(records.model_name_key(name))
        except RecordNotFoundError:
            head = None
        version = head.body["version"] + 1 if head else 1
        model = Model(
            id=model_id(name, version),
            name=name,
            version=version,
            task=Task(inspected.manifest["task"]),
            state=ModelState.READY,
            created_at_s=self.clock(),
            digest=inspected.digest,
            bytes=inspected.bytes,
            manifest=inspected.manifest,
        )
        return model, head.version if head else 0


def _name_head(model: Model) -> Record:
    return Record(records.model_name_key(model.name), {"version": model.version}, version=model.version)
