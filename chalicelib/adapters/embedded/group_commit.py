"""Transactions of several threads in one commit: what a commit costs is the disk's sync, and one is enough for all."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from chalicelib.domain.errors import BinsightError, StoreUnavailableError
from chalicelib.domain.ports import Write

MAX_IN_A_COMMIT = 64


@dataclass(eq=False)
class Waiting:
    """One thread's transaction; `error` says why it was not carried out."""

    writes: tuple[Write, ...]
    is_durable: bool = True
    error: Exception | None = None
    is_done: bool = False


class GroupCommit:
    """Whoever comes first commits for all that have come meanwhile; nobody is told of success before it."""

    def __init__(self, commit_all: Callable[[Sequence[Waiting]], None]) -> None:
        """`commit_all` carries the transactions out, or leaves an `error` with each; it raises when none was."""
        self._commit_all = commit_all
        self._waiting: list[Waiting] = []
        self._joining = threading.Lock()
        self._leading = threading.Lock()

    def write(self, writes: tuple[Write, ...], is_durable: bool = True) -> None:
        """Raises: what `commit_all` left with this transaction."""
        own = Waiting(writes, is_durable)
        with self._joining:
            self._waiting.append(own)
        with self._leading:
            while not own.is_done:
                self._lead()
        if own.error is not None:
            raise own.error

    def exclusively(self) -> threading.Lock:
        """Held while something else writes."""
        return self._leading

    def _lead(self) -> None:
        with self._joining:
            batch, self._waiting = self._waiting[:MAX_IN_A_COMMIT], self._waiting[MAX_IN_A_COMMIT:]
        fault: BinsightError | None = StoreUnavailableError("The store broke off; try again.", retry_after_s=1)
        try:
            self._commit_all(batch)
            fault = None
        except BinsightError as error:
            fault = error
        finally:
            for each in batch:
                if fault is not None:
                    # Each thread raises an error of its own.
                    each.error = StoreUnavailableError(fault.detail, **fault.members)
                each.is_done = True
