"""The secret that nonces are made with: one a store, made at its first use."""

from __future__ import annotations

from collections.abc import Callable

from chalicelib.domain.errors import RecordNotFoundError, WriteConflictError
from chalicelib.domain.fleet_records import PROOF_SECRET
from chalicelib.domain.ports import Put, Record, RecordStore


class ProofSecret:
    def __init__(self, store: RecordStore, new_secret: Callable[[], str]) -> None:
        self._store = store
        self._new_secret = new_secret
        self._known: bytes | None = None

    def __call__(self) -> bytes:
        """Raises: StoreUnavailableError."""
        if self._known is None:
            self._known = self._found_or_made().encode()
        return self._known

    def _found_or_made(self) -> str:
        try:
            return str(self._store.get(PROOF_SECRET).body["secret"])
        except RecordNotFoundError:
            secret = self._new_secret()
        try:
            self._store.write(Put(Record(PROOF_SECRET, {"secret": secret}), expected_version=0))
        except WriteConflictError:
            return str(self._store.get(PROOF_SECRET).body["secret"])
        return secret
