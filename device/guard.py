"""The outermost edge of a thread: what nobody expected is logged and ends the process, which the system starts again.

A thread that died alone would leave a camera that looks alive. Starts are counted, so that a new model that does this
again and again is rolled back.
"""

from __future__ import annotations

import logging
import threading
from typing import Callable

log = logging.getLogger(__name__)


def guarded(run: Callable[[], None], crashed: Callable[[], None]) -> Callable[[], None]:
    def edge() -> None:
        try:
            run()
        except Exception:
            log.exception("the thread '%s' has crashed", threading.current_thread().name)
            crashed()

    return edge
