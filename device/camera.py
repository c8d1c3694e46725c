"""Where frames come from: one file per kind of camera; a missing library disables that kind only."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Dict, Mapping, Optional, Tuple, Type

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["Camera", "CameraError", "CameraUnavailableError", "open_camera"]


class CameraError(RuntimeError):
    """The camera gives no frames now; opening it again may help."""


class CameraUnavailableError(CameraError):
    """The camera cannot be used here at all: the message says what is missing."""


class Camera(ABC):
    """Open until it is closed; used by one thread.

    is_live: frames come whether they are taken or not, and only the newest is of interest.
    """

    is_live = False

    @classmethod
    @abstractmethod
    def open(cls, options: Mapping[str, Any]) -> Camera:
        """Raises: CameraError, CameraUnavailableError."""

    @abstractmethod
    def next_frame(self) -> Optional[Image]:
        """The next frame, RGB and upright; None when there will be no more. May wait for it. Raises: CameraError."""

    @abstractmethod
    def close(self) -> None:
        """Harmless when it is closed."""


_CAMERAS: Dict[str, Tuple[str, str]] = {
    "awscam": ("device.cameras.awscam_camera", "AwscamCamera"),
    "opencv": ("device.cameras.opencv_camera", "OpencvCamera"),
    "video": ("device.cameras.opencv_camera", "VideoFile"),
    "folder": ("device.cameras.folder_camera", "FolderCamera"),
}


def open_camera(kind: str, options: Mapping[str, Any]) -> Camera:
    """Raises: CameraError, CameraUnavailableError."""
    module, name = _CAMERAS[kind]
    camera: Type[Camera] = getattr(importlib.import_module(module), name)
    return camera.open(options)


def camera_library(name: str, hint: str) -> Any:
    """Raises: CameraUnavailableError."""
    try:
        return importlib.import_module(name)
    except (ImportError, OSError) as error:
        raise CameraUnavailableError("%s cannot be loaded (%s); %s" % (name, error, hint)) from error
