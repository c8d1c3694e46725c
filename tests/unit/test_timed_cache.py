"""A cache that looks at the age of its entries when they are used."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chalicelib.domain.errors import NoPromotedModelError, StoreUnavailableError
from chalicelib.services.timed_cache import TimedCache
from tests.unit.memory_store import HandClock

FRESH_S, STALE_S = 60.0, 300.0


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def cache(clock: HandClock) -> TimedCache[str, int]:
    return TimedCache(clock, FRESH_S, STALE_S, max_entries=3)


def unused() -> int:
    raise AssertionError("the entry is young: nothing is loaded")


def failing(error: Exception) -> Callable[[], int]:
    def load() -> int:
        raise error

    return load


def test_a_young_entry_is_not_loaded_again(cache: TimedCache[str, int], clock: HandClock) -> None:
    assert cache.get("task", lambda: 1) == 1
    clock.now_s += FRESH_S - 0.1
    assert cache.get("task", unused) == 1


def test_an_old_entry_is(cache: TimedCache[str, int], clock: HandClock) -> None:
    cache.get("task", lambda: 1)
    clock.now_s += FRESH_S
    assert cache.get("task", lambda: 2) == 2


def test_an_old_entry_serves_while_the_store_is_down_until_it_is_too_old(
    cache: TimedCache[str, int], clock: HandClock
) -> None:
    cache.get("task", lambda: 1)
    down = failing(StoreUnavailableError("down"))
    clock.now_s += STALE_S - 0.1
    assert cache.get("task", down) == 1
    clock.now_s += 0.1
    with pytest.raises(StoreUnavailableError):
        cache.get("task", down)


def test_serving_a_stale_entry_does_not_make_it_young(cache: TimedCache[str, int], clock: HandClock) -> None:
    cache.get("task", lambda: 1)
    clock.now_s += FRESH_S + 1
    cache.get("task", failing(StoreUnavailableError("down")))
    assert cache.get("task", lambda: 2) == 2


def test_an_entry_that_is_gone_from_the_store_is_not_served_stale(
    cache: TimedCache[str, int], clock: HandClock
) -> None:
    cache.get("task", lambda: 1)
    clock.now_s += FRESH_S
    with pytest.raises(NoPromotedModelError):
        cache.get("task", failing(NoPromotedModelError("gone")))


def test_what_is_missing_is_asked_for_every_time(cache: TimedCache[str, int]) -> None:
    with pytest.raises(NoPromotedModelError):
        cache.get("task", failing(NoPromotedModelError("none")))
    assert cache.get("task", lambda: 1) == 1


def test_a_forgotten_entry_is_loaded_again(cache: TimedCache[str, int]) -> None:
    cache.get("task", lambda: 1)
    cache.forget("task")
    assert cache.get("task", lambda: 2) == 2


def test_the_cache_is_bounded_and_drops_what_was_loaded_first(cache: TimedCache[str, int]) -> None:
    for number in range(5):
        cache.get(str(number), lambda number=number: number)
    assert cache.get("4", unused) == 4
    assert cache.get("0", lambda: 100) == 100
