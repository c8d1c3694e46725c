"""What a photo looks like whatever it shows; Pillow only, on 96 x 96 pixels, so that it costs a millisecond."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, List, Tuple

from PIL import Image, ImageChops, ImageFilter, ImageStat

_SIDE_PX = 96
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
    statistics = ImageStat.Stat(grey)
    return SceneMeasurement(
        brightness=float(statistics.mean[0]),
        contrast=float(statistics.stddev[0]),
        sharpness=_sharpness(grey),
        aspect=image.width / image.height,
        fill=_fill(small),
    )


def _sharpness(grey: Image.Image) -> float:
    # The kernel leaves the outermost pixels as they were.
    inner = grey.filter(_LAPLACIAN).crop((1, 1, _SIDE_PX - 1, _SIDE_PX - 1))
    return float(ImageStat.Stat(inner).var[0]) * _LAPLACIAN_SCALE**2


def _fill(small: Image.Image) -> float:
    background = Image.new("RGB", small.size, _border_color(small))
    bands = ImageChops.difference(small, background).split()
    largest = ImageChops.lighter(ImageChops.lighter(bands[0], bands[1]), bands[2])
    return sum(largest.histogram()[_FILL_LEVELS:]) / (_SIDE_PX * _SIDE_PX)


def _border_color(small: Image.Image) -> Tuple[int, int, int]:
    last = _SIDE_PX - 1
    border = Image.new("RGB", (_SIDE_PX, 4))
    border.paste(small.crop((0, 0, _SIDE_PX, 1)), (0, 0))
    border.paste(small.crop((0, last, _SIDE_PX, _SIDE_PX)), (0, 1))
    border.paste(small.crop((0, 0, 1, _SIDE_PX)).transpose(Image.Transpose.TRANSPOSE), (0, 2))
    border.paste(small.crop((last, 0, _SIDE_PX, _SIDE_PX)).transpose(Image.Transpose.TRANSPOSE), (0, 3))
    medians: List[int] = ImageStat.Stat(border).median
    return medians[0], medians[1], medians[2]
