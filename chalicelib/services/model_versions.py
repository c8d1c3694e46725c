"""How models are written: a new version of a name without gaps or races, and every later change."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from chalicelib.domain import records
from chalicelib.domain.errors import (
    InvalidArtifactError,
    ModelNotFoundError,
    RecordNotFoundError,
    TaskMismatchError,
    WriteConflictError,
)
from chalicelib.domain.ledger import Change
from chalicelib.domain.model import Model, model_id
from chalicelib.domain.model_listing import model_writes
from chalicelib.domain.ports import Clock, Put, Record, RecordStore, Write
from chalicelib.services.contention import until_settled
from chalicelib.services.ledger import Ledger

# An alias holds three manifests, and DynamoDB takes 400 KB an item.
MAX_MANIFEST_BYTES = 100_000


@dataclass(frozen=True)
class ModelVersions:
    store: RecordStore
    ledger: Ledger
    clock: Clock
    pause: Callable[[float], None] = time.sleep

    def add(self, draft: Model, actor: str, *writes: Write) -> Model:
        """The draft under its name's next version, together with `writes`; id, version and time are given here.

        Raises: TaskMismatchError when the name is another task's, InvalidArtifactError, WriteConflictError.
        """
        _check_size(draft)
        return until_settled(
            lambda: self._try_add(draft, actor, writes),
            self.pause,
            lambda error: _only_versions(error, draft.name),
        )

    def get(self, id_: str) -> Model:
        """Raises: ModelNotFoundError."""
        try:
            return records.model_from(self.store.get(records.model_key(id_)))
        except RecordNotFoundError as error:
            raise ModelNotFoundError(f"There is no model '{id_[:80]}'; GET /models lists them.") from error

    def change(self, model: Model, change: Change, *writes: Write) -> Model:
        """`model` as it now is, over the version that it was read at. Raises: WriteConflictError."""
        _check_size(model)
        self.ledger.commit(change, *model_writes(model), *writes)
        return replace(model, record_version=model.record_version + 1)

    def update(self, model: Model) -> Model:
        """A change that the ledger does not tell of: where logs are, that a stop was asked for."""
        self.store.write(*model_writes(model))
        return replace(model, record_version=model.record_version + 1)

    def _try_add(self, draft: Model, actor: str, writes: tuple[Write, ...]) -> Model:
        head = self._head(draft.name)
        if head is not None and head.body["task"] != draft.task.value:
            raise TaskMismatchError(
                f"The models called '{draft.name}' are of the task '{head.body['task']}'; give this one another name."
            )
        version = head.version + 1 if head else 1
        id_ = model_id(draft.name, version)
        model = replace(draft, id=id_, version=version, created_at_s=self.clock(), created_by=actor)
        details = {"digest": model.digest, "state": model.state.value, "job": model.run.job if model.run else None}
        head_record = records.model_name_record(model.name, version, model.task)
        jobs = [Put(records.job_record(model.run.job, id_), expected_version=0)] if model.run else []
        self.ledger.commit(
            Change(actor, "model.registered", id_, details),
            Put(head_record, expected_version=version - 1),
            *model_writes(model),
            *jobs,
            *writes,
        )
        return replace(model, record_version=1)

    def _head(self, name: str) -> Record | None:
        try:
            return self.store.get(records.model_name_key(name))
        except RecordNotFoundError:
            return None


def _only_versions(error: WriteConflictError, name: str) -> bool:
    """Two writers on one name: the other has the version that this one wanted, and the ledger's place with it."""
    model = f"{records.model_key('').partition}{name}-"
    own = {records.model_name_key(name).partition, records.LEDGER_HEAD.partition, records.LEDGER}
    keys = error.members.get("keys", [])
    return bool(keys) and all(key.partition in own or key.partition.startswith(model) for key in keys)


def _check_size(model: Model) -> None:
    size = len(json.dumps(model.manifest))
    if size > MAX_MANIFEST_BYTES:
        raise InvalidArtifactError(f"manifest.json has {size:,} bytes; {MAX_MANIFEST_BYTES:,} are taken at the most.")
