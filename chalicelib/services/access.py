"""Use cases of keys: making, checking, listing and revoking them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from chalicelib.domain import records
from chalicelib.domain.access import AccessKey, Scope, key_id_of, make_token, token_hash
from chalicelib.domain.errors import (
    InvalidKeyError,
    KeyNotFoundError,
    MissingKeyError,
    NotFoundError,
    RecordNotFoundError,
    ScopeError,
)
from chalicelib.domain.ledger import Change
from chalicelib.domain.ports import Clock, Cursor, Delete, IdSource, Index, Put, RecordStore
from chalicelib.services.ledger import Ledger
from chalicelib.services.timed_cache import TimedCache


def set_up_key(token: str) -> AccessKey:
    """The key that the environment names: accepted as long as it is set, stored nowhere."""
    return AccessKey("environment", token_hash(token), frozenset({Scope.ADMIN}), "BINSIGHT_ADMIN_KEY", 0.0)


@dataclass(frozen=True)
class Access:
    """`sources`: where the keys of devices and enrolment codes come from, by their tokens' prefix; each raises a
    NotFoundError for an id that it does not know.
    """

    store: RecordStore
    ledger: Ledger
    clock: Clock
    new_id: IdSource
    new_secret: Callable[[], str]
    cache: TimedCache[str, AccessKey]
    set_up_key: AccessKey | None = None
    sources: Mapping[str, Callable[[str], AccessKey]] = field(default_factory=dict)

    def authenticate(self, token: str | None, scope: Scope) -> AccessKey:
        """Raises: MissingKeyError, InvalidKeyError, ScopeError, StoreUnavailableError."""
        if not token:
            raise MissingKeyError("Send a key: 'Authorization: Bearer <key>'. 'make admin-key' makes one.")
        key = self._key_of(token)
        if not key.allows(scope):
            raise ScopeError(f"This key may not do that: the route needs the scope '{scope.value}'.")
        return key

    def create(self, name: str, scopes: frozenset[Scope], actor: str) -> tuple[AccessKey, str]:
        """The new key and its token, which is shown this once and stored nowhere."""
        key_id = self.new_id()
        token = make_token(key_id, self.new_secret())
        key = AccessKey(key_id, token_hash(token), scopes, name, self.clock())
        details = {"name": name, "scopes": sorted(scope.value for scope in scopes)}
        change = Change(actor, "key.created", key_id, details)
        self.ledger.commit(change, Put(records.access_key_record(key), expected_version=0))
        return key, token

    def get(self, key_id: str) -> AccessKey:
        """Raises: KeyNotFoundError."""
        try:
            return records.access_key_from(self.store.get(records.access_key_key(key_id)))
        except RecordNotFoundError as error:
            raise KeyNotFoundError(f"There is no key '{key_id[:80]}'; GET /keys lists them.") from error

    def revoke(self, key_id: str, actor: str) -> None:
        """Raises: KeyNotFoundError."""
        try:
            record = self.store.get(records.access_key_key(key_id))
        except RecordNotFoundError as error:
            raise KeyNotFoundError(f"There is no key '{key_id}'; GET /keys lists them.") from error
        self.ledger.commit(Change(actor, "key.revoked", key_id, {}), Delete(record.key, record.version))
        self.cache.forget(key_id)

    def page(self, after: Cursor | None, limit: int) -> tuple[list[AccessKey], Cursor | None]:
        page = self.store.query(records.KEYS, index=Index.FIRST, after=after, limit=limit, newest_first=True)
        return [records.access_key_from(record) for record in page.records], page.next

    def has_keys(self) -> bool:
        return bool(self.store.query(records.KEYS, index=Index.FIRST, limit=1).records)

    def _key_of(self, token: str) -> AccessKey:
        if self.set_up_key is not None and self.set_up_key.matches(token):
            return self.set_up_key
        refusal = InvalidKeyError("This key is not known here, or it was revoked. 'make admin-key' makes a new one.")
        try:
            key = self._known(token)
        except NotFoundError as error:
            raise refusal from error
        if not key.matches(token):
            raise refusal
        return key

    def _known(self, token: str) -> AccessKey:
        """Raises: NotFoundError."""
        for prefix, source in self.sources.items():
            owner = key_id_of(token, prefix)
            if owner is not None:
                return source(owner)
        key_id = key_id_of(token)
        if key_id is None:
            raise RecordNotFoundError("This is no token of ours.")
        return self.cache.get(key_id, lambda: records.access_key_from(self.store.get(records.access_key_key(key_id))))
