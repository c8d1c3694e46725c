"""Asks the frame loop now and then whether it still goes round: a GPU that hangs raises nothing and answers nobody."""

from __future__ import annotations

import logging
import threading
from typing import Callable

from device.frame_loop import FrameLoop, NoAnswerError

log = logging.getLogger(__name__)
EVERY_S = 30.0
# No model takes that long for a frame, on any camera.
PATIENCE_S = 120.0


class Watchdog:
    """Runs in one thread. hung: called once, when the loop has not come round in `patience_s`."""

    def __init__(
        self, loop: FrameLoop, hung: Callable[[], None], every_s: float = EVERY_S, patience_s: float = PATIENCE_S
    ) -> None:
        self._loop, self._hung = loop, hung
        self._every_s, self._patience_s = every_s, patience_s
        self._stopping = threading.Event()

    def run(self) -> None:
        """Until it is stopped, or has called."""
        while not self._stopping.wait(self._every_s):
            if not self._comes_round():
                log.error("the frame loop has not come round in %g s: the engine hangs", self._patience_s)
                self._hung()
                return

    def stop(self) -> None:
        self._stopping.set()

    def _comes_round(self) -> bool:
        """A question without photos costs nothing, and is answered between two frames."""
        try:
            self._loop.answer({}, self._patience_s)
        except NoAnswerError:
            # Without a model, too, there is no answer.
            return self._loop.predictor is None or self._stopping.is_set()
        return True
