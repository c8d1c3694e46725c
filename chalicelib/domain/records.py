"""How domain objects lie in the store: keys, indexes and bodies, in one place."""

from __future__ import annotations

import hashlib
from typing import Any

from chalicelib.domain.access import AccessKey, Scope
from chalicelib.domain.alias import Alias
from chalicelib.domain.inference import Task
from chalicelib.domain.ledger import GENESIS, LedgerEntry, LedgerHead
from chalicelib.domain.model import Model, ModelState
from chalicelib.domain.ports import IndexKey, Key, Record
from chalicelib.domain.training_job import TrainingRun
from chalicelib.domain.upload import Upload

KEYS = "KEYS"
MODELS = "MODELS"
LEDGER = "LEDGER"
LEDGER_HEAD = Key("LEDGERHEAD", "HEAD")


def by_time(at_s: float, unique: str) -> str:
    """A sort key in the order of time: milliseconds, 15 digits, then something unique."""
    return f"{int(at_s * 1000):015d}#{unique}"


def access_key_key(key_id: str) -> Key:
    return Key(f"KEY#{key_id}", "KEY")


def access_key_record(key: AccessKey) -> Record:
    body = {
        "id": key.id,
        "sha256": key.sha256,
        "scopes": sorted(scope.value for scope in key.scopes),
        "name": key.name,
        "created_at_s": key.created_at_s,
        "device_id": key.device_id,
    }
    return Record(access_key_key(key.id), body, index1=IndexKey(KEYS, by_time(key.created_at_s, key.id)))


def access_key_from(record: Record) -> AccessKey:
    body = record.body
    return AccessKey(
        id=body["id"],
        sha256=body["sha256"],
        scopes=frozenset(Scope(scope) for scope in body["scopes"]),
        name=body["name"],
        created_at_s=body["created_at_s"],
        device_id=body["device_id"],
    )


def model_key(model_id: str) -> Key:
    return Key(f"MODEL#{model_id}", "MODEL")


def model_name_key(name: str) -> Key:
    """Holds the last version given to a name."""
    return Key(f"MODELNAME#{name}", "HEAD")


def model_record(model: Model) -> Record:
    return Record(model_key(model.id), model_body(model), version=model.record_version + 1)


def model_body(model: Model) -> dict[str, Any]:
    body = {name: value for name, value in vars(model).items() if name != "record_version"}
    return {
        **body,
        "task": model.task.value,
        "state": model.state.value,
        "run": model.run.to_body() if model.run else None,
        "cards": list(model.cards),
    }


def model_from(record: Record) -> Model:
    body = dict(record.body)
    run = body.pop("run")
    return Model(
        **{**body, "task": Task(body["task"]), "state": ModelState(body["state"]), "cards": tuple(body["cards"])},
        run=TrainingRun.from_body(run) if run else None,
        record_version=record.version,
    )


def model_name_record(name: str, version: int, task: Task) -> Record:
    return Record(model_name_key(name), {"version": version, "task": task.value}, version=version)


def job_key(job: str) -> Key:
    """Which model a training job or an evaluation belongs to."""
    return Key(f"JOB#{job}", "JOB")


def job_record(job: str, model_id: str) -> Record:
    return Record(job_key(job), {"model": model_id})


def request_key(caller: str, route: str, key: str) -> Key:
    """Of a request with an Idempotency-Key. Hashed: keys are the callers' own and may be anything."""
    return Key(f"REQUEST#{hashlib.sha256(f'{caller} {route} {key}'.encode()).hexdigest()}", "REQUEST")


def alias_key(task: Task) -> Key:
    return Key(f"ALIAS#{task.value}", "ALIAS")


def alias_record(alias: Alias) -> Record:
    return Record(alias_key(alias.task), alias.to_body(), version=alias.record_version + 1)


def alias_from(record: Record) -> Alias:
    return Alias.from_body(record.body, record.version)


def ledger_entry_record(entry: LedgerEntry) -> Record:
    return Record(Key(LEDGER, f"{entry.number:012d}"), entry.to_body())


def ledger_head_record(entry: LedgerEntry, head: LedgerHead) -> Record:
    body = {"number": entry.number, "hash": entry.hash}
    return Record(LEDGER_HEAD, body, version=head.record_version + 1)


def ledger_head_from(record: Record | None) -> LedgerHead:
    if record is None:
        return LedgerHead(0, GENESIS, 0)
    return LedgerHead(record.body["number"], record.body["hash"], record.version)


def upload_key(upload_id: str) -> Key:
    return Key(f"UPLOAD#{upload_id}", "UPLOAD")


def upload_record(upload: Upload) -> Record:
    return Record(
        upload_key(upload.id), upload.to_body(), version=upload.record_version + 1, expires_at_s=upload.keep_until_s
    )


def upload_from(record: Record) -> Upload:
    return Upload(**record.body, record_version=record.version)
