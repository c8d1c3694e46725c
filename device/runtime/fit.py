"""How a photo fills the model's input, and the way back from the input to the photo."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Tuple

from device.runtime.manifest_types import InputSpec

if TYPE_CHECKING:
    from PIL.Image import Image

_PADDING = (128, 128, 128)
_REDUCING_GAP = 3.0

Size = Tuple[int, int]
Box = Tuple[float, float, float, float]


@dataclass(frozen=True)
class Placement:
    """Which part of the photo lies where in the input: both as shares (xmin, ymin, xmax, ymax) of width and height."""

    photo: Box
    input: Box

    def to_photo(self, box: Box) -> Box:
        """A box in shares of the input, in shares of the photo, clipped to what the photo has."""
        xmin, ymin, xmax, ymax = _clip(_map(box, self.input, self.photo))
        return xmin, ymin, xmax, ymax

    def to_input(self, box: Box) -> Box:
        """A box in shares of the photo, in shares of the input; it may lie outside where the photo is cropped."""
        return _map(box, self.photo, self.input)


def place(size: Size, spec: InputSpec) -> Placement:
    """size: width and height of the upright photo in pixels; only their ratio counts."""
    whole = (0.0, 0.0, 1.0, 1.0)
    wider = (size[0] * spec.height) / (size[1] * spec.width)
    if spec.fit == "crop":
        return Placement(_centred(1 / wider, 1.0) if wider > 1 else _centred(1.0, wider), whole)
    if spec.fit == "letterbox":
        return Placement(whole, _centred(1.0, 1 / wider) if wider > 1 else _centred(wider, 1.0))
    return Placement(whole, whole)


def fit_image(image: Image, spec: InputSpec) -> Image:
    """RGB of any size to RGB of spec.width x spec.height: squash, centre crop, or letterbox on grey."""
    placement = place(image.size, spec)
    left, top, right, bottom = _pixels(placement.input, (spec.width, spec.height))
    inner = (max(1, right - left), max(1, bottom - top))
    resized = _resize(image, inner, placement.photo)
    if inner == (spec.width, spec.height):
        return resized
    return _padded(resized, (spec.width, spec.height), (left, top))


def _resize(image: Image, size: Size, part: Box) -> Image:
    from PIL.Image import Resampling

    width, height = image.size
    box = (part[0] * width, part[1] * height, part[2] * width, part[3] * height)
    if image.size == size and part == (0.0, 0.0, 1.0, 1.0):
        return image
    return image.resize(size, Resampling.BILINEAR, box=box, reducing_gap=_REDUCING_GAP)


def _padded(image: Image, size: Size, at: Size) -> Image:
    from PIL.Image import new

    canvas = new("RGB", size, _PADDING)
    canvas.paste(image, at)
    return canvas


def _centred(width: float, height: float) -> Box:
    return (1 - width) / 2, (1 - height) / 2, (1 + width) / 2, (1 + height) / 2


def _pixels(box: Box, size: Size) -> Tuple[int, int, int, int]:
    width, height = size
    return round(box[0] * width), round(box[1] * height), round(box[2] * width), round(box[3] * height)


def _map(box: Box, source: Box, target: Box) -> Box:
    scale_x = (target[2] - target[0]) / (source[2] - source[0])
    scale_y = (target[3] - target[1]) / (source[3] - source[1])
    return (
        target[0] + (box[0] - source[0]) * scale_x,
        target[1] + (box[1] - source[1]) * scale_y,
        target[0] + (box[2] - source[0]) * scale_x,
        target[1] + (box[3] - source[1]) * scale_y,
    )


def _clip(box: Box) -> Box:
    xmin, ymin, xmax, ymax = (min(1.0, max(0.0, side)) for side in box)
    return xmin, ymin, xmax, ymax
