"""Between pictures and the network's numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from device.runtime.manifest_types import InputSpec

if TYPE_CHECKING:
    FloatArray = np.ndarray[Any, np.dtype[np.float32]]
    ByteArray = np.ndarray[Any, np.dtype[np.uint8]]


def to_tensor(image: Image.Image, spec: InputSpec) -> FloatArray:
    """RGB of spec.width x spec.height to float32 (1, 3, height, width), or (1, height, width, 3) for NHWC; 0-255."""
    if image.size != (spec.width, spec.height) or image.mode != "RGB":
        raise ValueError("needs RGB %d x %d, not %s %s" % (spec.width, spec.height, image.mode, image.size))
    pixels: ByteArray = np.asarray(image)
    if spec.color_order == "BGR":
        pixels = pixels[:, :, ::-1]
    if spec.layout == "NCHW":
        pixels = pixels.transpose(2, 0, 1)
    return np.ascontiguousarray(pixels, dtype=np.float32)[np.newaxis]


def frame_to_image(frame: ByteArray, color_order: str = "BGR") -> Image.Image:
    """A camera's frame, uint8 (height, width, 3), as an RGB picture."""
    if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8:
        raise ValueError("a frame is uint8 (height, width, 3), not %s %s" % (frame.dtype, frame.shape))
    # Pillow swaps the colours while it copies, which takes a quarter of the time that numpy needs.
    return Image.frombuffer("RGB", frame.shape[1::-1], np.ascontiguousarray(frame), "raw", color_order, 0, 1)
