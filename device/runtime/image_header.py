"""Size, frames and orientation of an image from its first bytes: nothing is decoded, the signature decides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Tuple

from device.runtime.image_errors import (
    ImageTooLargeError,
    ImageTooSmallError,
    InvalidImageError,
    NotAnImageError,
    TruncatedImageError,
    UnsupportedImageError,
)
from device.runtime.jpeg_header import read_jpeg
from device.runtime.png_header import read_png
from device.runtime.webp_header import read_webp

__all__ = [
    "MAX_DECODED_PIXELS",
    "MAX_PIXELS",
    "MIN_SIDE_PX",
    "ImageHeader",
    "ImageTooLargeError",
    "ImageTooSmallError",
    "InvalidImageError",
    "NotAnImageError",
    "TruncatedImageError",
    "UnsupportedImageError",
    "check_size",
    "read_header",
]

MIN_SIDE_PX = 32
MAX_PIXELS = 50000000
# A sequential JPEG is decoded at a smaller scale; what must be held whole costs memory for every pixel (image.py).
MAX_DECODED_PIXELS = {"jpeg": 24000000, "png": 17000000, "webp": 12500000}

_UNSUPPORTED = (
    (0, b"GIF8", "GIF"),
    (0, b"BM", "BMP"),
    (0, b"II*\0", "TIFF"),
    (0, b"MM\0*", "TIFF"),
    (0, b"%PDF", "PDF"),
    (0, b"8BPS", "Photoshop"),
    (0, b"\0\0\1\0", "icon"),
    (0, b"\xff\x0a", "JPEG XL"),
    (0, b"\0\0\0\x0cJXL ", "JPEG XL"),
    (0, b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (4, b"ftypavi", "AVIF"),
    (4, b"ftyphei", "HEIC"),
    (4, b"ftyphev", "HEIC"),
    (4, b"ftypmif1", "HEIF"),
    (4, b"ftyp", "video or HEIF"),
)


@dataclass(frozen=True)
class ImageHeader:
    """width, height: as stored, before the orientation (EXIF, 1-8) is applied.

    scalable: it can be decoded at a smaller scale without holding it whole (a sequential JPEG). components: a JPEG's.
    ordinary: a JPEG of three colours with no markers but those that every decoder reads alike.
    """

    format: str
    width: int
    height: int
    frames: int = 1
    orientation: int = 1
    scalable: bool = False
    components: int = 3
    ordinary: bool = False

    @property
    def upright_size(self) -> Tuple[int, int]:
        """Width and height of the photo as people see it."""
        return (self.height, self.width) if self.orientation >= 5 else (self.width, self.height)


def read_header(data: bytes) -> ImageHeader:
    """Raises: InvalidImageError: NotAnImageError, UnsupportedImageError or TruncatedImageError."""
    if data[:2] == b"\xff\xd8":
        width, height, orientation, scalable, components, ordinary = read_jpeg(data)
        return ImageHeader("jpeg", width, height, 1, orientation, scalable, components, ordinary)
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        return ImageHeader("png", *read_png(data))
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return ImageHeader("webp", *read_webp(data))
    raise _refusal(data)


def check_size(header: ImageHeader, max_pixels: int = MAX_PIXELS) -> None:
    """Raises: ImageTooLargeError or ImageTooSmallError, before anything is decoded."""
    limit = max_pixels if header.scalable else min(max_pixels, MAX_DECODED_PIXELS[header.format])
    pixels = header.width * header.height
    if pixels > limit:
        raise ImageTooLargeError(
            "the image has %d x %d pixels, %.1f million; send at most %.1f million of this kind"
            % (header.width, header.height, pixels / 1e6, limit / 1e6)
        )
    if min(header.width, header.height) < MIN_SIDE_PX:
        raise ImageTooSmallError(
            "the image has %d x %d pixels; send one of at least %d on each side"
            % (header.width, header.height, MIN_SIDE_PX)
        )


def _refusal(data: bytes) -> InvalidImageError:
    if not data:
        return NotAnImageError("the image has 0 bytes; send a JPEG, PNG or WebP")
    for offset, signature, name in _UNSUPPORTED:
        if data.startswith(signature, offset):
            return UnsupportedImageError("this is a %s file; send a JPEG, PNG or WebP" % name)
    if b"<svg" in data[:1024].lower():
        return UnsupportedImageError("this is an SVG drawing; send a JPEG, PNG or WebP")
    return NotAnImageError("these %d bytes are no image by their signature; send a JPEG, PNG or WebP" % len(data))
