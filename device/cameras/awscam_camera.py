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


class AwscamCamera(Camera):
    """getLastFrame fails now and then, and for seconds after the start: a few failures in a row are no fault."""

    def __init__(self, library: Any, pause: Callable[[float], None]) -> None:
        self._library = library
        self._pause = pause

    @classmethod
    def open(cls, options: Mapping[str, Any], pause: Callable[[float], None] = time.sleep) -> AwscamCamera:
        return cls(camera_library("awscam", _HINT), pause)

    def next_frame(self) -> Image:
        for _ in range(_TRIES):
            is_there, frame = self._last_frame()
            if is_there:
                return frame_to_image(frame, "BGR")
            self._pause(_PAUSE_S)
        raise CameraError("awscam gave no frame in %g s; is another project using the camera?" % (_TRIES * _PAUSE_S))

    def close(self) -> None:
        """The library keeps the camera open as long as the process lives."""

    def _last_frame(self) -> Any:
        try:
            return self._library.getLastFrame()
        except (RuntimeError, OSError, ValueError) as error:
            raise CameraError("awscam: %s" % error) from error
