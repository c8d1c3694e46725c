"""Photos of a wanted weight, the same at every run."""

from __future__ import annotations

import io
import random

from PIL import Image, ImageFilter


def photo_of(bytes_wanted: int) -> bytes:
    """A JPEG of 4:3 within five per cent of the wanted size: soft shapes with as much grain as it takes."""
    low, high = 200, 6000
    data = b""
    while high - low > 8:
        width = (low + high) // 2
        data = jpeg(grainy(width, width * 3 // 4), quality=88)
        if abs(len(data) - bytes_wanted) < bytes_wanted * 0.05:
            break
        low, high = (width, high) if len(data) < bytes_wanted else (low, width)
    return data


def grainy(width: int, height: int) -> Image.Image:
    noise = Image.frombytes(
        "RGB", (width // 4, height // 4), random.Random(width).randbytes((width // 4) * (height // 4) * 3)
    )
    return noise.resize((width, height), Image.Resampling.BICUBIC).filter(ImageFilter.GaussianBlur(1))


def jpeg(image: Image.Image, quality: int) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality)
    return stream.getvalue()
