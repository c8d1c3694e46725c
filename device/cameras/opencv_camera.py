"""Whatever OpenCV opens: a V4L2 or USB camera, an RTSP or MJPEG stream, a video file."""

from __future__ import annotations

import contextlib
from typing import Any, Mapping, Optional, Type

from PIL.Image import Image

from device.camera import Camera, CameraError, CameraUnavailableError, camera_library
from device.runtime.tensor import frame_to_image

_HINT = "install it with: sh install.sh --opencv, or pip install opencv-python-headless"


def _opencv() -> Any:
    """Raises: CameraUnavailableError."""
    # On a DeepLens awscam must be imported before cv2, or its import fails with an undefined symbol.
    with contextlib.suppress(CameraUnavailableError):
        camera_library("awscam", "")
    return camera_library("cv2", _HINT)


class OpencvCamera(Camera):
    """options: `source` (0, "/dev/video2", "rtsp://...", "http://.../stream.mjpg"), `width`, `height`, `fps`."""

    is_live = True

    def __init__(self, capture: Any, source: Any, failure: Type[Exception] = RuntimeError) -> None:
        """failure: what the library raises."""
        self._capture, self._failure = capture, failure
        self._source = source

    @classmethod
    def open(cls, options: Mapping[str, Any]) -> OpencvCamera:
        library, source = _opencv(), options.get("source", 0)
        capture = library.VideoCapture(source)
        if not capture.isOpened():
            raise CameraError("%s cannot be opened; is it plugged in, and used by nobody else?" % hidden(source))
        wanted = {"width": library.CAP_PROP_FRAME_WIDTH, "height": library.CAP_PROP_FRAME_HEIGHT}
        for name, setting in {**wanted, "fps": library.CAP_PROP_FPS}.items():
            if name in options:
                capture.set(setting, options[name])
        return cls(capture, source, library.error)

    def next_frame(self) -> Optional[Image]:
        is_there, frame = self._read()
        if not is_there:
            raise CameraError("%s gives no frames any more" % hidden(self._source))
        return frame_to_image(frame, "BGR")

    def close(self) -> None:
        self._capture.release()

    def _read(self) -> Any:
        """Raises: CameraError."""
        try:
            return self._capture.read()
        except self._failure as error:
            raise CameraError("%s: %s" % (hidden(self._source), error)) from error


class VideoFile(OpencvCamera):
    """options: `path`, `loop`."""

    is_live = False

    def __init__(self, capture: Any, path: str, failure: Type[Exception], loop: bool) -> None:
        super().__init__(capture, path, failure)
        self._loop = loop

    @classmethod
    def open(cls, options: Mapping[str, Any]) -> VideoFile:
        library = _opencv()
        capture = library.VideoCapture(options["path"])
        if not capture.isOpened():
            raise CameraError("%s is no video that OpenCV can read" % options["path"])
        return cls(capture, options["path"], library.error, bool(options.get("loop", False)))

    def next_frame(self) -> Optional[Image]:
        is_there, frame = self._read()
        if not is_there and self._loop:
            self._capture.open(self._source)
            is_there, frame = self._read()
        return frame_to_image(frame, "BGR") if is_there else None


def hidden(source: Any) -> str:
    """A stream's address without user and password."""
    text = str(source)
    scheme, found, rest = text.partition("://")
    return "%s://%s" % (scheme, rest.rpartition("@")[2]) if found else "camera %s" % text
