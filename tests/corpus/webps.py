"""WebPs: lossy, lossless, extended, animated, and damaged."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from PIL import Image

from tests.corpus.case import (
    NOT_AN_IMAGE,
    OK,
    TOO_LARGE,
    TOO_SMALL,
    TRUNCATED,
    UNSUPPORTED,
    Case,
    encoded,
    exif_block,
    photo,
)


def webps() -> list[Case]:
    return [*_kinds(), *_refused(), *_truncated()]


def riff(*chunks: bytes) -> bytes:
    content = b"WEBP" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(content)) + content


def chunk(kind: bytes, content: bytes) -> bytes:
    return kind + struct.pack("<I", len(content)) + content + b"\0" * (len(content) & 1)


def extended(width: int, height: int, flags: int = 0) -> bytes:
    sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return chunk(b"VP8X", bytes((flags, 0, 0, 0)) + sides)


def lossy(width: int, height: int) -> bytes:
    return chunk(b"VP8 ", b"\x30\x01\0\x9d\x01\x2a" + struct.pack("<HH", width, height) + b"\0" * 40)


def lossless(width: int, height: int) -> bytes:
    return chunk(b"VP8L", b"\x2f" + struct.pack("<I", (width - 1) | (height - 1) << 14) + b"\0" * 40)


def _kinds() -> Iterator[Case]:
    image = photo()
    alpha = image.convert("RGBA")
    alpha.putalpha(Image.radial_gradient("L").resize(image.size))
    yield Case("webp", encoded(image, "WEBP"), OK)
    yield Case("webp lossless", encoded(image, "WEBP", lossless=True), OK)
    yield Case("webp with alpha", encoded(alpha, "WEBP"), OK)
    yield Case("webp lossless with alpha", encoded(alpha, "WEBP", lossless=True), OK)
    yield Case("webp orientation 6", encoded(image, "WEBP", exif=b"Exif\0\0" + exif_block(6)), OK)
    yield Case("webp with corrupt EXIF", encoded(image, "WEBP", exif=b"Exif\0\0II*\0\xff\xff\xff\xff"), OK)
    frames = [image.rotate(angle) for angle in (90, 180)]
    yield Case("webp animated", encoded(image, "WEBP", save_all=True, append_images=frames, duration=50), OK)
    yield Case("webp with bytes behind its end", encoded(image, "WEBP") + b"\0" * 999, OK)


def _refused() -> Iterator[Case]:
    yield Case("webp of 16,383 x 16,383", riff(lossy(16383, 16383)), TOO_LARGE)
    yield Case("webp lossless of 16,384 x 16,384", riff(lossless(16384, 16384)), TOO_LARGE)
    yield Case("webp extended of 16,777,216 squared", riff(extended(2**24, 2**24), lossy(64, 64)), TOO_LARGE)
    yield Case("webp of 1 x 1", encoded(photo(1, 1), "WEBP"), TOO_SMALL)
    yield Case("webp of 0 x 0", riff(lossy(0, 0)), NOT_AN_IMAGE)
    yield Case("webp of a large picture on a small canvas", riff(extended(64, 64), lossy(16383, 16383)), TRUNCATED)
    yield Case("webp of noise", riff(lossy(64, 64)), TRUNCATED)
    yield Case("webp extended without a picture", riff(extended(64, 64), chunk(b"ICCP", b"x" * 50)), TRUNCATED)
    yield Case("webp of 5,000 chunks", riff(extended(64, 64), *[chunk(b"none", b"")] * 5000), UNSUPPORTED)
    yield Case("webp that begins with something else", riff(chunk(b"JUNK", b"\0" * 50)), NOT_AN_IMAGE)
    yield Case("webp with a damaged start code", riff(chunk(b"VP8 ", b"\0" * 50)), NOT_AN_IMAGE)


def _truncated() -> Iterator[Case]:
    good = encoded(photo(320, 240), "WEBP")
    for length in (12, 20, 29, 40):
        yield Case(f"webp of its first {length} bytes", good[:length], TRUNCATED)
    for percent in (50, 95):
        yield Case(f"webp cut at {percent}%", good[: len(good) * percent // 100], TRUNCATED)
    animated = encoded(photo(), "WEBP", save_all=True, append_images=[photo().rotate(90)], duration=50)
    yield Case("webp animated, cut at 60%", animated[: len(animated) * 6 // 10], TRUNCATED)
