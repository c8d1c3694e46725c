"""Memory that threads share: each says how much it is about to take, and waits until there is so much."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import Iterator, Optional


class MemoryShare:
    """Whoever is alone gets all that it asks for; who waits is not overtaken, however little the others ask for, but by
    those who need nothing.
    """

    def __init__(self, total_bytes: int) -> None:
        self._total = total_bytes
        self._taken = 0
        self._door = threading.Lock()
        self._given_back = threading.Condition()

    @contextmanager
    def of(self, size_bytes: int, wait_s: Optional[float] = None) -> Iterator[None]:
        """size_bytes, until the end of the block. Raises: TimeoutError after wait_s; None: never."""
        if size_bytes:
            self._wait_and_take(size_bytes, wait_s)
        try:
            yield
        finally:
            self.give_back(size_bytes)

    def take_at_once(self, size_bytes: int) -> bool:
        """Whether there was so much; it is taken then, until it is given back."""
        with self._given_back:
            fits = self._taken + size_bytes <= self._total
            self._taken += size_bytes if fits else 0
            return fits

    def give_back(self, size_bytes: int) -> None:
        with self._given_back:
            self._taken -= size_bytes
            self._given_back.notify()

    def _wait_and_take(self, size_bytes: int, wait_s: Optional[float]) -> None:
        end_s = None if wait_s is None else time.monotonic() + wait_s
        if not self._door.acquire(timeout=-1 if wait_s is None else wait_s):
            raise TimeoutError("others wait for memory already")
        try:
            with self._given_back:
                left_s = None if end_s is None else max(0.0, end_s - time.monotonic())
                if not self._given_back.wait_for(lambda: self._has_room(size_bytes), left_s):
                    raise TimeoutError("others hold the memory")
                self._taken += size_bytes
        finally:
            self._door.release()

    def _has_room(self, size_bytes: int) -> bool:
        return self._taken == 0 or self._taken + size_bytes <= self._total
