"""How much of the memory requests take while they are worked on, all together."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from chalicelib.domain.errors import ServerBusyError
from device.runtime.memory_share import MemoryShare

WORK_BYTES = 48 * 1024 * 1024
WAIT_S = 20.0
RETRY_AFTER_S = 5


class WorkingMemory:
    def __init__(self, total_bytes: int = WORK_BYTES, wait_s: float = WAIT_S) -> None:
        self._share = MemoryShare(total_bytes)
        self._wait_s = wait_s

    @contextmanager
    def __call__(self, size_bytes: int) -> Iterator[None]:
        """Waits in line; whoever is alone gets all that it asks for. Raises: ServerBusyError."""
        with ExitStack() as held:
            try:
                held.enter_context(self._share.of(size_bytes, self._wait_s))
            except TimeoutError as error:
                raise ServerBusyError(
                    "Other large requests take all the memory at this moment; send it again in a few seconds.",
                    retry_after_s=RETRY_AFTER_S,
                ) from error
            yield
