"""How long to wait after failures: growing, with jitter, so that a fleet does not come back as one."""

from __future__ import annotations

import random
from typing import Optional

from device.cloud_errors import BusyError

LEAST_S = 2.0
MOST_S = 600.0
_MAX_DOUBLINGS = 16


class BackOff:
    def __init__(self, draw: random.Random, least_s: float = LEAST_S, most_s: float = MOST_S) -> None:
        self._draw = draw
        self._least_s = least_s
        self._most_s = most_s
        self.failures = 0

    def succeeded(self) -> None:
        self.failures = 0

    def pause_s(self, error: Optional[Exception] = None) -> float:
        """After one more failure: between half and all of a limit that doubles. Never sooner than the service asks."""
        limit_s: float = min(self._most_s, self._least_s * 2.0 ** float(min(self.failures, _MAX_DOUBLINGS)))
        self.failures += 1
        pause_s = limit_s * self._draw.uniform(0.5, 1.0)
        if isinstance(error, BusyError) and error.retry_after_s:
            return max(pause_s, error.retry_after_s * self._draw.uniform(1.0, 1.25))
        return pause_s
