"""Reads the camera beside the inference, and opens it again when it fails."""

from __future__ import annotations

import logging
import random
import threading
import time
from typing import TYPE_CHECKING, Callable, NamedTuple, Optional, Tuple

from device.back_off import BackOff
from device.camera import Camera, CameraError
from device.guard import guarded
from device.uptime import uptime_s

if TYPE_CHECKING:
    from PIL.Image import Image

    from device.runtime.predictor import Predictor, Prepared

log = logging.getLogger(__name__)
_MOST_PAUSE_S = 30.0


class Frame(NamedTuple):
    """captured_at_s: by the camera's own clock, seconds since the epoch; up_s: by one that nobody sets.

    prepared: by whom, and what came of it.
    """

    image: Image
    captured_at_s: float
    prepared: Optional[Tuple[Predictor, Prepared]] = None
    up_s: Optional[float] = None


class FrameSource:
    """Holds one frame: the newest of a stream; of anything that waits, the next."""

    def __init__(
        self,
        open_camera: Callable[[], Camera],
        back_off: Optional[BackOff] = None,
        crashed: Callable[[], None] = lambda: None,
    ) -> None:
        self._open_camera = open_camera
        self._back_off = back_off or BackOff(random.Random(), 1.0, _MOST_PAUSE_S)
        self._changed = threading.Condition()
        self._frame: Optional[Frame] = None
        self._is_stopped = False
        self._wake: Callable[[], None] = lambda: None
        self._prepare: Callable[[Image], Optional[Tuple[Predictor, Prepared]]] = lambda image: None
        self._thread = threading.Thread(target=guarded(self._run, crashed), name="camera", daemon=True)
        self.fault = ""
        self.has_ended = False

    def start(self, wake: Callable[[], None], prepare: Callable[[Image], Optional[Tuple[Predictor, Prepared]]]) -> None:
        """wake: is called when there is a frame, or will never be another. prepare: is done here, beside the engine."""
        self._wake, self._prepare = wake, prepare
        self._thread.start()

    def stop(self) -> None:
        with self._changed:
            self._is_stopped = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(5.0)

    def take(self) -> Optional[Frame]:
        with self._changed:
            frame, self._frame = self._frame, None
            self._changed.notify_all()
            return frame

    def _run(self) -> None:
        while not self._is_stopped and not self.has_ended:
            try:
                self._read_until_it_fails()
            except CameraError as error:
                self._note(str(error))
                self._pause(self._back_off.pause_s())
        self._wake()

    def _read_until_it_fails(self) -> None:
        """Raises: CameraError."""
        camera = self._open_camera()
        try:
            while not self._is_stopped and not self.has_ended:
                image = camera.next_frame()
                if image is None:
                    self.has_ended = True
                    return
                captured_at_s, up_s = time.time(), uptime_s()
                self._give(Frame(image, captured_at_s, self._prepare(image), up_s), camera.is_live)
        finally:
            camera.close()

    def _give(self, frame: Frame, is_live: bool) -> None:
        self._back_off.succeeded()
        self._note("")
        with self._changed:
            while not is_live and self._frame is not None and not self._is_stopped:
                self._changed.wait(1.0)
            self._frame = frame
        self._wake()

    def _note(self, fault: str) -> None:
        """Said once, not once a second."""
        if fault and fault != self.fault:
            log.warning("the camera is opened again: %s", fault)
        if self.fault and not fault:
            log.info("the camera gives frames again")
        self.fault = fault

    def _pause(self, pause_s: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._is_stopped, pause_s)
