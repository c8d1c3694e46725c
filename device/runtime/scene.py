"""What a photo looks like whatever it shows; Pillow only, on 96 x 96 pixels, so that it costs a millisecond."""

from __future__ import annotations

import math
from dataclasses import dataclass
from operator import mul
from typing import Dict, Sequence, Tuple

from PIL import Image, ImageChops, ImageFilter

_SIDE_PX = 96
_LEVELS = range(256)
_SQUARES = tuple(level * level for level in _LEVELS)
# The kernel answers -1020..1020 for 0..255. Half of it is kept, around 128: beyond 255 lie only edges that are sharp
# whatever they are, and a coarser step would round away what tells blurred photos apart.
_LAPLACIAN_SCALE = 2
_LAPLACIAN = ImageFilter.Kernel((3, 3), (0, 1, 0, 1, -4, 1, 0, 1, 0), scale=_LAPLACIAN_SCALE, offset=128)
_FILL_LEVELS = 32


@dataclass(frozen=True)
class SceneMeasurement:
    """brightness: mean grey level, 0-255; contrast: its standard deviation; sharpness: variance of the Laplacian.

    aspect: width over height; fill: the share (0-1) of the photo that differs from the colour of its border.
    """

    brightness: float
    contrast: float
    sharpness: float
    aspect: float
    fill: float

    def to_json(self) -> Dict[str, float]:
        return {
            "brightness": round(self.brightness, 2),
            "contrast": round(self.contrast, 2),
            "sharpness": round(self.sharpness, 2),
            "aspect": round(self.aspect, 4),
            "fill": round(self.fill, 4),
        }


def measure_scene(image: Image.Image) -> SceneMeasurement:
    """image: RGB, upright, of any size."""
    small = image.resize((_SIDE_PX, _SIDE_PX), Image.Resampling.BOX, reducing_gap=1.0)
    grey = small.convert("L")
    brightness, variance = _mean_and_variance(grey)
    return SceneMeasurement(
        brightness=brightness,
        contrast=math.sqrt(variance),
        sharpness=_sharpness(grey),
        aspect=image.width / image.height,
        fill=_fill(small),
    )


def _mean_and_variance(grey: Image.Image) -> Tuple[float, float]:
    """As ImageStat does, which takes five times as long: a camera does this for every frame."""
    counts = grey.histogram()
    pixels = grey.width * grey.height
    total = sum(map(mul, counts, _LEVELS))
    # In whole numbers, so that one grey level has no variance at all.
    spread = pixels * sum(map(mul, counts, _SQUARES)) - total * total
    return total / pixels, spread / (pixels * pixels)


def _sharpness(grey: Image.Image) -> float:
    # The kernel leaves the outermost pixels as they were.
    inner = grey.filter(_LAPLACIAN).crop((1, 1, _SIDE_PX - 1, _SIDE_PX - 1))
    return _mean_and_variance(inner)[1] * _LAPLACIAN_SCALE**2


def _fill(small: Image.Image) -> float:
    background = Image.new("RGB", small.size, _border_color(small.tobytes()))
    bands = ImageChops.difference(small, background).split()
    largest = ImageChops.lighter(ImageChops.lighter(bands[0], bands[1]), bands[2])
    return sum(largest.histogram()[_FILL_LEVELS:]) / (_SIDE_PX * _SIDE_PX)


def _border_color(pixels: bytes) -> Tuple[int, int, int]:
    """pixels: RGB, row after row. The corners count twice."""
    red, green, blue = (_median(_border(pixels, band)) for band in range(3))
    return red, green, blue


def _border(pixels: bytes, band: int) -> bytes:
    row = 3 * _SIDE_PX
    last_column = pixels[row - 3 + band :: row]
    return pixels[band:row:3] + pixels[band - row :: 3] + pixels[band::row] + last_column


def _median(levels: Sequence[int]) -> int:
    return sorted(levels)[len(levels) // 2]
