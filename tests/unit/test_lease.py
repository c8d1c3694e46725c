"""Of several processes that could, one does."""

from __future__ import annotations

from chalicelib.services.lease import Lease
from tests.unit.memory_store import HandClock, MemoryStore


def leases(clock: HandClock) -> tuple[Lease, Lease]:
    store = MemoryStore()
    return Lease(store, clock, "scheduler", "one", 10.0), Lease(store, clock, "scheduler", "other", 10.0)


def test_the_second_waits_while_the_first_renews() -> None:
    clock = HandClock()
    one, other = leases(clock)
    for _ in range(5):
        assert one.acquire()
        assert not other.acquire()
        clock.now_s += 9
    assert (one.token, other.token) == (1, 0)


def test_a_lease_that_ran_out_goes_to_the_next_with_a_higher_token() -> None:
    clock = HandClock()
    one, other = leases(clock)
    one.acquire()
    clock.now_s += 11
    assert other.acquire()
    assert other.token == 2
    assert not one.acquire()
    assert one.token == 0


def test_a_released_lease_is_free_at_once() -> None:
    one, other = leases(HandClock())
    one.acquire()
    one.release()
    assert other.acquire()
    assert other.token == 2


def test_somebody_elses_lease_is_not_released() -> None:
    one, other = leases(HandClock())
    one.acquire()
    other.release()
    assert not other.acquire()
