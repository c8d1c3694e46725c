"""Writing again when somebody else was first: many writers, one after the other, none of them lost."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TypeVar

from chalicelib.domain.errors import WriteConflictError

T = TypeVar("T")
MAX_TRIES = 60
PAUSE_S = 0.002
MAX_PAUSE_FACTOR = 25


def until_settled(
    step: Callable[[], T], pause: Callable[[float], None], may_repeat: Callable[[WriteConflictError], bool]
) -> T:
    """`step`, which reads, decides and writes, repeated with jitter while it loses to other writers.

    Raises: WriteConflictError when `may_repeat` says no, or after `MAX_TRIES`.
    """
    for attempt in range(1, MAX_TRIES):
        try:
            return step()
        except WriteConflictError as error:
            if not may_repeat(error):
                raise
            pause(random.uniform(0, PAUSE_S * min(attempt, MAX_PAUSE_FACTOR)))
    return step()
