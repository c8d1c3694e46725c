"""The DeepLens' own camera."""

from __future__ import annotations

import time
from typing import Any, Callable, Mapping

from PIL.Image import Image

from device.camera import Camera, CameraError, camera_library
from device.runtime.tensor import frame_to_image

_HINT = "it is on a DeepLens only, from version 1.4.5 for Python 3.7"
_TRIES = 20
_PAUSE_S = 0.1
_TRIES_FOR_ANOTHER = 100
_NEW_FRAME_S = 0.01
_EVERY = 16


class AwscamCamera(Camera):
    """getLastFrame fails now and then, and for seconds after the start: a few failures in a row are no fault.

    It answers at once, with the frame of before when there is no newer one: that is waited for, so that a fast engine
    does not look at one frame again and again.
    """

    def __init__(self, library: Any, pause: Callable[[float], None]) -> None:
        self._library = library
        self._pause = pause
        self._seen = b""

    @classmethod
    def open(cls, options: Mapping[str, Any], pause: Callable[[float], None] = time.sleep) -> AwscamCamera:
        return cls(camera_library("awscam", _HINT), pause)

    def next_frame(self) -> Image:
        for _ in range(_TRIES_FOR_ANOTHER):
            frame = self._some_frame()
            # No two frames of a sensor have the same noise.
            mark = frame[::_EVERY, ::_EVERY].tobytes()
            if mark != self._seen:
                break
            self._pause(_NEW_FRAME_S)
        self._seen = mark
        return frame_to_image(frame, "BGR")

    def close(self) -> None:
        """The library keeps the camera open as long as the process lives."""

    def _some_frame(self) -> Any:
        """Raises: CameraError."""
        for _ in range(_TRIES):
            is_there, frame = self._last_frame()
            if is_there:
                return frame
            self._pause(_PAUSE_S)
        raise CameraError("awscam gave no frame in %g s; is another project using the camera?" % (_TRIES * _PAUSE_S))

    def _last_frame(self) -> Any:
        try:
            return self._library.getLastFrame()
        except (RuntimeError, OSError, ValueError) as error:
            raise CameraError("awscam: %s" % error) from error
