"""Requests a second for each key, in this process; `admin` keys are not counted."""

from __future__ import annotations

import threading
from collections import OrderedDict

from chalicelib.domain.access import AccessKey, Scope
from chalicelib.domain.errors import RateLimitedError
from chalicelib.domain.ports import Clock

MAX_KEYS = 10_000


class TokenBuckets:
    """A bucket a key: `rate_per_s` on average, bursts of one second's worth."""

    def __init__(self, rate_per_s: float, clock: Clock) -> None:
        self._rate_per_s = rate_per_s
        self._burst = max(1.0, rate_per_s)
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, caller: AccessKey) -> None:
        if Scope.ADMIN in caller.scopes:
            return
        with self._lock:
            missing = self._take(caller.id)
        if missing > 0:
            wait_s = missing / self._rate_per_s
            raise RateLimitedError(
                f"This key is over its {self._rate_per_s:g} requests a second; try again in {wait_s:.2g} s.",
                retry_after_s=wait_s,
            )

    def _take(self, key_id: str) -> float:
        """How much of a token is missing; 0 when one was taken."""
        now_s = self._clock()
        at_s, tokens = self._buckets.pop(key_id, (now_s, self._burst))
        tokens = min(self._burst, tokens + (now_s - at_s) * self._rate_per_s)
        taken = tokens >= 1
        self._buckets[key_id] = (now_s, tokens - 1 if taken else tokens)
        if len(self._buckets) > MAX_KEYS:
            self._buckets.popitem(last=False)
        return 0.0 if taken else 1 - tokens
