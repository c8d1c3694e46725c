"""One odd or hostile body, and the picture that most of them are made of."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

from PIL import Image, ImageDraw

OK = "ok"
NOT_AN_IMAGE = "not-an-image"
UNSUPPORTED = "unsupported-image"
TRUNCATED = "truncated-image"
TOO_LARGE = "image-too-large"
TOO_SMALL = "image-too-small"


@dataclass(frozen=True)
class Case:
    """expected: "ok", or the reason of the error."""

    name: str
    body: bytes
    expected: str


def photo(width: int = 160, height: int = 120) -> Image.Image:
    """A picture with edges, colours and a top left corner unlike the others (red)."""
    image = Image.radial_gradient("L").resize((width, height)).convert("RGB")
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, width // 3, height // 3), fill=(220, 30, 30))
    draw.ellipse((width // 2, height // 2, width, height), fill=(30, 60, 220))
    return image


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def exif_block(orientation: int, order: str = "<") -> bytes:
    """A TIFF structure with one entry, the orientation."""
    little = order == "<"
    endian = "little" if little else "big"
    entry = b"".join(
        (
            (0x0112).to_bytes(2, endian),
            (3).to_bytes(2, endian),
            (1).to_bytes(4, endian),
            orientation.to_bytes(2, endian),
            b"\0\0",
        )
    )
    header = b"II*\0\x08\0\0\0" if little else b"MM\0*\0\0\0\x08"
    return header + (1).to_bytes(2, endian) + entry + b"\0\0\0\0"
