from __future__ import annotations

import threading
from typing import List

import pytest

from device.runtime.memory_share import MemoryShare


def test_those_that_fit_hold_their_share_at_the_same_time() -> None:
    share = MemoryShare(10)
    with share.of(6), share.of(4):
        assert not share.take_at_once(1)
    assert share.take_at_once(10)


def test_who_does_not_fit_waits_and_gives_up_after_its_time() -> None:
    share = MemoryShare(10)
    with share.of(6):
        with pytest.raises(TimeoutError), share.of(5, wait_s=0.01):
            raise AssertionError("it had no room")
        with share.of(4, wait_s=0.01):
            pass


def test_who_is_alone_gets_more_than_there_is() -> None:
    share = MemoryShare(10)
    with share.of(50, wait_s=0.01), pytest.raises(TimeoutError), share.of(1, wait_s=0.01):
        raise AssertionError("it was not alone")


def test_what_failed_gives_its_share_back() -> None:
    share = MemoryShare(10)
    with pytest.raises(ValueError, match="broken"), share.of(10):
        raise ValueError("broken")
    with share.of(10, wait_s=0.01):
        pass


def test_a_large_one_is_overtaken_by_those_who_need_nothing_and_by_no_small_ones() -> None:
    share = MemoryShare(10)
    entered: List[str] = []

    def enter(name: str, size: int) -> None:
        with share.of(size):
            entered.append(name)

    assert share.take_at_once(5)
    large = threading.Thread(target=enter, args=("large", 9))
    large.start()
    while share._door.acquire(blocking=False):
        share._door.release()
    small = threading.Thread(target=enter, args=("small", 1))
    small.start()
    small.join(0.05)
    assert entered == []
    enter("nothing", 0)
    assert entered.pop() == "nothing"
    share.give_back(5)
    large.join()
    small.join()
    assert entered == ["large", "small"]


def test_many_threads_never_hold_more_than_there_is() -> None:
    share = MemoryShare(100)
    held, most = [0], [0]
    counting = threading.Lock()

    def work(size: int) -> None:
        for _ in range(50):
            with share.of(size):
                with counting:
                    held[0] += size
                    most[0] = max(most[0], held[0])
                with counting:
                    held[0] -= size

    threads = [threading.Thread(target=work, args=(size,)) for size in (10, 20, 30, 40, 50, 90)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert held == [0]
    assert 0 < most[0] <= 100
