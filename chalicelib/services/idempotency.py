"""Use cases of the Idempotency-Key: a request that comes twice takes effect once, also when the first try crashed."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chalicelib.domain import records
from chalicelib.domain.errors import (
    InvalidRequestKeyError,
    RecordNotFoundError,
    RequestKeyReusedError,
    RequestRunningError,
    WriteConflictError,
)
from chalicelib.domain.ports import Clock, Delete, Put, Record, RecordStore
from chalicelib.services.request_scope import RequestScope

KEEP_S = 24 * 3600
# API Gateway gives up after 29 s, and no answer comes after that.
RUNNING_S = 30.0
MAX_KEY_LENGTH = 128
MAX_ANSWER_BYTES = 200_000


@dataclass(frozen=True)
class Idempotency:
    """`holder` names this process; `is_only_process`: what another one left running has crashed."""

    store: RecordStore
    clock: Clock
    holder: str
    is_only_process: bool

    def begin(self, caller: str, route: str, key: str, body: bytes) -> RequestScope:
        """The request, new or as an earlier try left it: its record may hold a subject and an answer.

        Raises: InvalidRequestKeyError, RequestKeyReusedError, RequestRunningError, StoreUnavailableError.
        """
        fresh = self._fresh(caller, route, checked_key(key), body)
        try:
            return self._claimed(fresh, 0)
        except WriteConflictError:
            return self._seen_before(fresh)

    def answer(self, scope: RequestScope, answer: Mapping[str, Any] | None) -> None:
        """Keep the answer for replays; None (it holds a secret, or is too long) has it made again from its subject."""
        with contextlib.suppress(WriteConflictError):
            self._store(scope, scope.changed(answer=answer, is_answered=True, until_s=0))

    def give_up(self, scope: RequestScope) -> None:
        """The request was refused: a change that it made already stays marked, else its key is free again."""
        with contextlib.suppress(WriteConflictError):
            if scope.subject is None:
                self.store.write(Delete(scope.record.key, scope.record.version))
            else:
                self._store(scope, scope.changed(until_s=0))

    def _fresh(self, caller: str, route: str, key: str, body: bytes) -> Record:
        now_s = self.clock()
        content = {
            "fingerprint": hashlib.sha256(body).hexdigest(),
            "holder": self.holder,
            "until_s": now_s + RUNNING_S,
            "subject": None,
            "is_answered": False,
            "answer": None,
        }
        return Record(records.request_key(caller, route, key), content, expires_at_s=int(now_s) + KEEP_S)

    def _seen_before(self, fresh: Record) -> RequestScope:
        try:
            found = self.store.get(fresh.key)
        except RecordNotFoundError as error:
            raise _still_running(1.0) from error
        if found.expires_at_s is not None and found.expires_at_s <= self.clock():
            return self._take_over(fresh, found.version)
        if found.body["fingerprint"] != fresh.body["fingerprint"]:
            raise RequestKeyReusedError("This Idempotency-Key came with another body before; take a new key.")
        if found.body["is_answered"]:
            return RequestScope(found)
        left_s = found.body["until_s"] - self.clock()
        if left_s > 0 and not (self.is_only_process and found.body["holder"] != self.holder):
            raise _still_running(left_s)
        body = {**fresh.body, "subject": found.body["subject"]}
        return self._take_over(Record(found.key, body, expires_at_s=found.expires_at_s), found.version)

    def _take_over(self, record: Record, version: int) -> RequestScope:
        try:
            return self._claimed(record, version)
        except WriteConflictError as error:
            raise _still_running(1.0) from error

    def _claimed(self, record: Record, expected_version: int) -> RequestScope:
        self.store.write(Put(record, expected_version))
        return RequestScope(
            Record(record.key, record.body, version=expected_version + 1, expires_at_s=record.expires_at_s)
        )

    def _store(self, scope: RequestScope, put: Put) -> None:
        self.store.write(put)
        scope.stored(put)


def checked_key(key: str) -> str:
    """Raises: InvalidRequestKeyError."""
    if not (1 <= len(key) <= MAX_KEY_LENGTH and key.isascii() and key.isprintable() and " " not in key):
        raise InvalidRequestKeyError(
            f"An Idempotency-Key has 1 to {MAX_KEY_LENGTH} printable ASCII characters and no spaces, e.g. a UUID."
        )
    return key


def _still_running(left_s: float) -> RequestRunningError:
    return RequestRunningError(
        "A request with this Idempotency-Key is being answered; ask again in a moment.", retry_after_s=left_s
    )
