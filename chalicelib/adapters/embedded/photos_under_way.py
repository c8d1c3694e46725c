"""The photos that one process works on at a time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class PhotosUnderWay:
    def __init__(self) -> None:
        self._counting = threading.Lock()
        self._count = 0

    @contextmanager
    def one_more(self) -> Iterator[bool]:
        """Whether there is no other at this moment."""
        with self._counting:
            self._count += 1
            is_alone = self._count == 1
        try:
            yield is_alone
        finally:
            with self._counting:
                self._count -= 1
