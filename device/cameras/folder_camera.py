"""A folder of photos in the place of a camera, for tests and demonstrations."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Any, Callable, List, Mapping, Optional, Set

from PIL.Image import Image

from device.camera import Camera, CameraError
from device.runtime.image import open_image
from device.runtime.image_errors import InvalidImageError

log = logging.getLogger(__name__)
_ENDINGS = (".jpg", ".jpeg", ".png", ".webp")


class FolderCamera(Camera):
    """options: `path`, `fps` (0: as fast as they are taken), `loop`. In the order of their names, subfolders too."""

    def __init__(self, photos: List[Path], fps: float, loop: bool, pause: Callable[[float], None]) -> None:
        self._photos, self._fps, self._loop, self._pause = photos, fps, loop, pause
        self._at = 0
        self._left_out: Set[Path] = set()

    @classmethod
    def open(cls, options: Mapping[str, Any], pause: Callable[[float], None] = time.sleep) -> FolderCamera:
        folder = Path(options["path"])
        photos = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _ENDINGS)
        if not photos:
            raise CameraError("%s holds no photos (%s)" % (folder, ", ".join(_ENDINGS)))
        return cls(photos, float(options.get("fps", 5)), bool(options.get("loop", True)), pause)

    def next_frame(self) -> Optional[Image]:
        for _ in self._photos:
            if self._at == len(self._photos):
                if not self._loop:
                    return None
                self._at = 0
            path = self._photos[self._at]
            self._at += 1
            if self._fps > 0:
                self._pause(1 / self._fps)
            try:
                return open_image(path.read_bytes(), None)
            except (OSError, InvalidImageError) as error:
                # A fault would begin the folder anew: nothing behind a damaged photo would ever be seen.
                self._leave_out(path, error)
        raise CameraError("none of the %d photos can be used, the last is %s" % (len(self._photos), path))

    def close(self) -> None:
        """There is nothing to close."""

    def _leave_out(self, path: Path, error: Exception) -> None:
        if path not in self._left_out:
            log.warning("%s is left out: %s", path, error)
        self._left_out.add(path)
