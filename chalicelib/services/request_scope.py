"""The request that carries an Idempotency-Key, as the use cases meet it: new ids derive from it, and the first change
that it makes is marked in the same transaction. A retry after a crash therefore finds the effect.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any

from chalicelib.domain.ports import IdSource, Put, Record

ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"
ID_LENGTH = 16


@dataclass
class RequestScope:
    """`record` is the request's own record as it is stored now; `subject` what its first change was made to."""

    record: Record
    issued_ids: int = 0

    @property
    def subject(self) -> str | None:
        subject: str | None = self.record.body["subject"]
        return subject

    def next_id(self) -> str:
        self.issued_ids += 1
        seed = f"{self.record.key.partition}\n{self.record.key.sort}\n{self.issued_ids}"
        number = int.from_bytes(hashlib.sha256(seed.encode()).digest())
        return "".join(ALPHABET[number // 36**place % 36] for place in range(ID_LENGTH))

    def marked(self, subject: str) -> Put:
        """The write that goes with the first change. It fails when another process has taken the request over."""
        return self.changed(subject=subject)

    def changed(self, **members: Any) -> Put:
        body = {**self.record.body, **members}
        return Put(replace(self.record, body=body), expected_version=self.record.version)

    def stored(self, put: Put) -> None:
        self.record = replace(put.record, version=self.record.version + 1)


_current: ContextVar[RequestScope | None] = ContextVar("request_scope", default=None)


def current_scope() -> RequestScope | None:
    return _current.get()


@contextmanager
def entered(scope: RequestScope) -> Iterator[None]:
    token = _current.set(scope)
    try:
        yield
    finally:
        _current.reset(token)


@dataclass(frozen=True)
class RequestIds:
    """An IdSource: derived inside a request with a key, random elsewhere."""

    random: IdSource

    def __call__(self) -> str:
        scope = current_scope()
        return scope.next_id() if scope else self.random()
