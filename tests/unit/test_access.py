"""Keys: their form, their scopes, and when a checked key is still taken."""

from __future__ import annotations

import pytest

from chalicelib.domain.access import AccessKey, Scope, key_id_of, make_token, token_hash
from chalicelib.domain.errors import (
    InvalidKeyError,
    KeyNotFoundError,
    MissingKeyError,
    ScopeError,
    StoreUnavailableError,
)
from chalicelib.services.access import Access, set_up_key
from chalicelib.services.ledger import Ledger
from chalicelib.services.timed_cache import TimedCache
from tests.unit.memory_store import HandClock, MemoryStore

FRESH_S = 60.0
ADMIN, INFERENCE = frozenset({Scope.ADMIN}), frozenset({Scope.INFERENCE})


class Keyring:
    """An Access on a store in memory, with a clock for its cache."""

    def __init__(self, store: MemoryStore | None = None, set_up: str | None = None) -> None:
        self.store = store or MemoryStore()
        self.clock = HandClock()
        ids = iter(f"key{number:013d}" for number in range(100))
        self.access = Access(
            store=self.store,
            ledger=Ledger(self.store, self.clock),
            clock=self.clock,
            new_id=lambda: next(ids),
            new_secret=lambda: "5ec2e7",
            cache=TimedCache(self.clock, FRESH_S),
            set_up_key=set_up_key(set_up) if set_up else None,
        )


@pytest.fixture
def keyring() -> Keyring:
    return Keyring()


@pytest.mark.parametrize(
    ("scopes", "allowed"),
    [
        (INFERENCE, {Scope.INFERENCE}),
        (ADMIN, {Scope.INFERENCE, Scope.ADMIN, Scope.ENROL}),
        (frozenset({Scope.DEVICE}), {Scope.DEVICE}),
        (frozenset(), set()),
    ],
)
def test_a_scope_opens_its_routes_and_admin_all_but_a_cameras(scopes: frozenset[Scope], allowed: set[Scope]) -> None:
    key = AccessKey("id", "hash", scopes, "name", 0.0)
    assert {scope for scope in Scope if key.allows(scope)} == allowed


def test_a_token_names_its_key() -> None:
    assert key_id_of(make_token("abc", "secret")) == "abc"


@pytest.mark.parametrize(
    "token", ["", "abc", "bsk_", "bsk__secret", "bsk_abc", "bsk_abc_", "xyz_abc_secret", "BSK_a_b"]
)
def test_what_is_no_token_of_ours_names_none(token: str) -> None:
    assert key_id_of(token) is None


def test_a_token_is_stored_as_its_hash_only(keyring: Keyring) -> None:
    key, token = keyring.access.create("phone", INFERENCE, "tester")
    assert key.sha256 == token_hash(token)
    assert "5ec2e7" not in str(keyring.store.records)


@pytest.mark.parametrize("token", [None, ""])
def test_no_key_is_told_apart_from_a_wrong_one(keyring: Keyring, token: str | None) -> None:
    with pytest.raises(MissingKeyError):
        keyring.access.authenticate(token, Scope.INFERENCE)


@pytest.mark.parametrize("token", ["x", "bsk_nobody_secret", "bsk_key0000000000000_wrong"])
def test_a_wrong_key_is_refused(keyring: Keyring, token: str) -> None:
    keyring.access.create("phone", INFERENCE, "tester")
    with pytest.raises(InvalidKeyError):
        keyring.access.authenticate(token, Scope.INFERENCE)


def test_a_right_key_with_the_wrong_scope_is_told_which_one_it_needs(keyring: Keyring) -> None:
    _, token = keyring.access.create("phone", INFERENCE, "tester")
    with pytest.raises(ScopeError, match="'admin'"):
        keyring.access.authenticate(token, Scope.ADMIN)


def test_a_young_key_costs_no_read(keyring: Keyring) -> None:
    _, token = keyring.access.create("phone", INFERENCE, "tester")
    keyring.access.authenticate(token, Scope.INFERENCE)
    reads = keyring.store.reads
    keyring.clock.now_s += FRESH_S - 1
    keyring.access.authenticate(token, Scope.INFERENCE)
    assert keyring.store.reads == reads


def test_a_key_revoked_by_another_process_is_refused_within_a_minute(keyring: Keyring) -> None:
    key, token = keyring.access.create("phone", INFERENCE, "tester")
    keyring.access.authenticate(token, Scope.INFERENCE)
    Keyring(keyring.store).access.revoke(key.id, "another process")
    keyring.clock.now_s += FRESH_S
    with pytest.raises(InvalidKeyError):
        keyring.access.authenticate(token, Scope.INFERENCE)


def test_a_key_revoked_here_is_refused_at_once(keyring: Keyring) -> None:
    key, token = keyring.access.create("phone", INFERENCE, "tester")
    keyring.access.authenticate(token, Scope.INFERENCE)
    keyring.access.revoke(key.id, "tester")
    with pytest.raises(InvalidKeyError):
        keyring.access.authenticate(token, Scope.INFERENCE)


def test_a_key_is_never_taken_stale_while_the_store_is_down(keyring: Keyring) -> None:
    _, token = keyring.access.create("phone", INFERENCE, "tester")
    keyring.access.authenticate(token, Scope.INFERENCE)
    keyring.store.is_down = True
    keyring.access.authenticate(token, Scope.INFERENCE)
    keyring.clock.now_s += FRESH_S
    with pytest.raises(StoreUnavailableError):
        keyring.access.authenticate(token, Scope.INFERENCE)


def test_the_environments_key_needs_no_store() -> None:
    keyring = Keyring(set_up="from the environment")
    keyring.store.is_down = True
    assert keyring.access.authenticate("from the environment", Scope.ADMIN).id == "environment"


def test_what_is_not_the_environments_key_is_looked_up() -> None:
    keyring = Keyring(set_up="from the environment")
    with pytest.raises(InvalidKeyError):
        keyring.access.authenticate("from the environmenT", Scope.ADMIN)


def test_revoking_twice_says_that_there_is_no_such_key(keyring: Keyring) -> None:
    key, _ = keyring.access.create("phone", INFERENCE, "tester")
    keyring.access.revoke(key.id, "tester")
    with pytest.raises(KeyNotFoundError):
        keyring.access.revoke(key.id, "tester")


def test_keys_are_listed_newest_first_by_pages(keyring: Keyring) -> None:
    made = []
    for number in range(5):
        keyring.clock.now_s += 1
        made.append(keyring.access.create(f"key {number}", INFERENCE, "tester")[0].id)
    first, following = keyring.access.page(None, 3)
    second, end = keyring.access.page(following, 3)
    assert [key.id for key in first + second] == made[::-1]
    assert end is None
