"""Requests a second for each key."""

from __future__ import annotations

import pytest

from chalicelib.adapters.embedded import rate_limit
from chalicelib.adapters.embedded.rate_limit import TokenBuckets
from chalicelib.domain.access import AccessKey, Scope
from chalicelib.domain.errors import RateLimitedError
from tests.unit.memory_store import HandClock


def key(name: str, *scopes: Scope) -> AccessKey:
    return AccessKey(name, "hash", frozenset(scopes or {Scope.INFERENCE}), name, 0.0)


def passed(limit: TokenBuckets, caller: AccessKey, times: int) -> int:
    count = 0
    for _ in range(times):
        try:
            limit(caller)
        except RateLimitedError:
            continue
        count += 1
    return count


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


def test_a_burst_of_one_seconds_worth_passes(clock: HandClock) -> None:
    assert passed(TokenBuckets(10, clock), key("phone"), 15) == 10


def test_tokens_come_back_with_time_and_never_more_than_a_burst(clock: HandClock) -> None:
    limit = TokenBuckets(10, clock)
    passed(limit, key("phone"), 10)
    clock.now_s += 0.5
    assert passed(limit, key("phone"), 15) == 5
    clock.now_s += 3600
    assert passed(limit, key("phone"), 15) == 10


def test_the_refusal_says_when_to_come_back_and_is_right(clock: HandClock) -> None:
    limit = TokenBuckets(0.5, clock)
    limit(key("phone"))
    with pytest.raises(RateLimitedError) as refusal:
        limit(key("phone"))
    assert refusal.value.members["retry_after_s"] == pytest.approx(2)
    clock.now_s += 2
    limit(key("phone"))


def test_being_refused_costs_nothing(clock: HandClock) -> None:
    limit = TokenBuckets(1, clock)
    assert passed(limit, key("phone"), 100) == 1
    clock.now_s += 1
    assert passed(limit, key("phone"), 1) == 1


def test_every_key_has_its_own_bucket(clock: HandClock) -> None:
    limit = TokenBuckets(1, clock)
    assert [passed(limit, key(name), 3) for name in ("one", "other")] == [1, 1]


def test_admin_keys_are_not_counted(clock: HandClock) -> None:
    assert passed(TokenBuckets(1, clock), key("boss", Scope.ADMIN, Scope.INFERENCE), 50) == 50


def test_the_buckets_are_bounded(clock: HandClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limit, "MAX_KEYS", 3)
    limit = TokenBuckets(1, clock)
    for number in range(10):
        limit(key(str(number)))
    assert passed(limit, key("9"), 1) == 0
    assert passed(limit, key("0"), 1) == 1
