"""A bounded cache whose entries are checked for age when they are used: Lambda freezes between calls."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

from chalicelib.domain.errors import StoreUnavailableError
from chalicelib.domain.ports import Clock

K = TypeVar("K")
V = TypeVar("V")


class TimedCache(Generic[K, V]):
    """Values are fresh for `fresh_s`; when the store is down an older one serves up to `stale_s`."""

    def __init__(self, clock: Clock, fresh_s: float, stale_s: float = 0.0, max_entries: int = 1024) -> None:
        self._clock = clock
        self._fresh_s = fresh_s
        self._stale_s = stale_s
        self._max_entries = max_entries
        self._entries: OrderedDict[K, tuple[float, V]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: K, load: Callable[[], V]) -> V:
        """Raises: whatever `load` raises; StoreUnavailableError only when nothing young enough is left."""
        now_s = self._clock()
        entry = self._entries.get(key)
        if entry and now_s - entry[0] < self._fresh_s:
            return entry[1]
        try:
            value = load()
        except StoreUnavailableError:
            if entry and now_s - entry[0] < self._stale_s:
                return entry[1]
            raise
        self._keep(key, now_s, value)
        return value

    def forget(self, key: K) -> None:
        with self._lock:
            self._entries.pop(key, None)

    def _keep(self, key: K, now_s: float, value: V) -> None:
        with self._lock:
            self._entries[key] = (now_s, value)
            self._entries.move_to_end(key)
            while len(self._entries) > self._max_entries:
                self._entries.popitem(last=False)
