"""A lease: of several processes that could, one does. Each holder has a higher token than the one before."""

from __future__ import annotations

from dataclasses import dataclass

from chalicelib.domain.errors import RecordNotFoundError, WriteConflictError
from chalicelib.domain.ports import Clock, Key, Put, Record, RecordStore


@dataclass
class Lease:
    """Held until `lifetime_s` after the last renewal; `token` 0 while it is somebody else's."""

    store: RecordStore
    clock: Clock
    name: str
    holder: str
    lifetime_s: float
    token: int = 0

    def acquire(self) -> bool:
        """Take the lease where it is free or run out, or renew one's own; whether it is held now."""
        found = self._found()
        until_s = found.body["until_s"] if found else 0.0
        is_own = found is not None and found.body["holder"] == self.holder
        if not is_own and until_s > self.clock():
            self.token = 0
            return False
        last = found.body["token"] if found else 0
        return self._write(found, last if is_own else last + 1, self.clock() + self.lifetime_s)

    def release(self) -> None:
        """So that the next one need not wait."""
        found = self._found()
        if found is not None and found.body["holder"] == self.holder:
            self._write(found, found.body["token"], 0.0)
        self.token = 0

    def _found(self) -> Record | None:
        try:
            return self.store.get(lease_key(self.name))
        except RecordNotFoundError:
            return None

    def _write(self, found: Record | None, token: int, until_s: float) -> bool:
        body = {"holder": self.holder, "token": token, "until_s": until_s}
        try:
            self.store.write(Put(Record(lease_key(self.name), body), expected_version=found.version if found else 0))
        except WriteConflictError:
            self.token = 0
            return False
        self.token = token
        return True


def lease_key(name: str) -> Key:
    return Key(f"LEASE#{name}", "LEASE")
