"""Work that must not hold up the frame loop: a thread of its own, a short queue, and what does not fit is left out."""

from __future__ import annotations

import logging
import queue
import threading
from typing import Any, Callable, Generic, Optional, TypeVar

log = logging.getLogger(__name__)
Item = TypeVar("Item")


class Worker(Generic[Item]):
    """`work` handles its own errors but OSError and ValueError, which are logged."""

    def __init__(self, name: str, work: Callable[[Item], None], length: int = 1) -> None:
        self._work = work
        self._queue: queue.Queue[Optional[Item]] = queue.Queue(length)
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self.left_out = 0
        self._thread.start()

    def offer(self, item: Item) -> bool:
        """False when there is no room for it now."""
        try:
            self._queue.put_nowait(item)
        except queue.Full:
            self.left_out += 1
            return False
        return True

    def stop(self, timeout_s: float = 5.0) -> None:
        """After what is queued."""
        try:
            self._queue.put(None, timeout=timeout_s)
        except queue.Full:
            return
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while True:
            item: Any = self._queue.get()
            if item is None:
                return
            try:
                self._work(item)
            except (OSError, ValueError) as error:
                log.warning("%s: %s", self._thread.name, error)
