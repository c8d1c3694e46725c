"""JPEGs: every legitimate kind, and every kind of damage."""

from __future__ import annotations

from collections.abc import Iterator

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

_SOI = b"\xff\xd8"


def jpegs() -> list[Case]:
    return [*_kinds(), *_orientations(), *_odd(), *_truncated(), *_refused()]


def segment(marker: int, content: bytes) -> bytes:
    return bytes((0xFF, marker)) + (len(content) + 2).to_bytes(2, "big") + content


def with_segments(*segments: bytes, **options: object) -> bytes:
    """The picture with segments put before all others."""
    return _SOI + b"".join(segments) + encoded(photo(), "JPEG", **options)[2:]


def frame(width: int, height: int, marker: int = 0xC0, bits: int = 8) -> bytes:
    """A frame header of three components."""
    sides = height.to_bytes(2, "big") + width.to_bytes(2, "big")
    return segment(marker, bytes((bits,)) + sides + b"\x03\x01\x22\0\x02\x11\x01\x03\x11\x01")


def header_only(width: int, height: int, marker: int = 0xC0, bits: int = 8) -> bytes:
    """What says it is that large, and has no picture to show for it."""
    scan = segment(0xDA, b"\x03\x01\0\x02\x11\x03\x11\0\x3f\0")
    return _SOI + frame(width, height, marker, bits) + scan + b"\0" * 64


def _kinds() -> Iterator[Case]:
    yield Case("jpeg", encoded(photo(), "JPEG", quality=90), OK)
    yield Case("jpeg progressive", encoded(photo(), "JPEG", progressive=True), OK)
    yield Case("jpeg optimized", encoded(photo(), "JPEG", optimize=True), OK)
    yield Case("jpeg greyscale", encoded(photo().convert("L"), "JPEG"), OK)
    yield Case("jpeg progressive greyscale", encoded(photo().convert("L"), "JPEG", progressive=True), OK)
    yield Case("jpeg CMYK", encoded(photo().convert("CMYK"), "JPEG"), OK)
    yield Case("jpeg quality 1", encoded(photo(), "JPEG", quality=1), OK)
    yield Case("jpeg 4:4:4 quality 100", encoded(photo(), "JPEG", quality=100, subsampling=0), OK)
    yield Case("jpeg of 32 x 32", encoded(photo(32, 32), "JPEG"), OK)
    yield Case("jpeg of 12 megapixels", encoded(photo(4000, 3000), "JPEG", quality=60), OK)
    yield Case("jpeg very wide", encoded(photo(6000, 32), "JPEG"), OK)
    yield Case("jpeg very high", encoded(photo(32, 6000), "JPEG"), OK)


def _orientations() -> Iterator[Case]:
    for orientation in range(1, 9):
        order = "<" if orientation % 2 else ">"
        block = segment(0xE1, b"Exif\0\0" + exif_block(orientation, order))
        yield Case(f"jpeg orientation {orientation}", with_segments(block), OK)


def _odd() -> Iterator[Case]:
    good = encoded(photo(), "JPEG")
    yield Case("jpeg with garbage behind its end", good + b"\0garbage" * 999, OK)
    yield Case("jpeg with a zip behind its end", good + b"PK\x03\x04" + b"\0" * 500 + b"PK\x05\x06" + b"\0" * 18, OK)
    yield Case("jpeg with huge EXIF", with_segments(*[segment(0xE1, b"Exif\0\0" + b"\xaa" * 65000)] * 20), OK)
    yield Case("jpeg with corrupt EXIF", with_segments(segment(0xE1, b"Exif\0\0II*\0\xff\xff\xff\xff")), OK)
    yield Case("jpeg with EXIF of one byte", with_segments(segment(0xE1, b"Exif\0\0I")), OK)
    entries = b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + b"\x01\x01\x03\0\x01\0\0\0\x01\0\0\0" * 40
    yield Case("jpeg with 65,535 EXIF entries", with_segments(segment(0xE1, entries)), OK)
    looped = b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\x08"
    yield Case("jpeg with EXIF that points at itself", with_segments(segment(0xE1, looped)), OK)
    for orientation in (0, 9, 65535):
        block = segment(0xE1, b"Exif\0\0" + exif_block(orientation))
        yield Case(f"jpeg orientation {orientation}, which there is not", with_segments(block), OK)
    yield Case("jpeg with a damaged colour profile", with_segments(segment(0xE2, b"ICC_PROFILE\0\x01\x09junk")), OK)
    yield Case("jpeg with a damaged preview list", with_segments(segment(0xE2, b"MPF\0II*\0\x08\0\0\0\xff\xff")), OK)
    yield Case("jpeg with long comments", with_segments(*[segment(0xFE, b"x" * 60000)] * 30), OK)
    yield Case("jpeg with fill bytes before its markers", _SOI + b"\xff" * 300 + good[2:], OK)
    yield Case("jpeg with a damaged byte in its data", _damaged(good), OK)
    yield Case("jpeg without its last two bytes", good[:-2], TRUNCATED)
    yield Case("two jpegs in one", good + good, OK)


def _damaged(good: bytes) -> bytes:
    at = len(good) * 3 // 4
    return good[:at] + b"\x55\xaa\x11" + good[at + 3 :]


def _truncated() -> Iterator[Case]:
    good = encoded(photo(320, 240), "JPEG", quality=95)
    for length in (2, 3, 10, 21, 100, 300):
        yield Case(f"jpeg of its first {length} bytes", good[:length], TRUNCATED)
    for percent in (25, 50, 75, 95):
        yield Case(f"jpeg cut at {percent}%", good[: len(good) * percent // 100], TRUNCATED)
    progressive = encoded(photo(320, 240), "JPEG", quality=95, progressive=True)
    yield Case("progressive jpeg cut at 50%", progressive[: len(progressive) // 2], TRUNCATED)
    yield Case("jpeg of 49 megapixels without data", header_only(7000, 7000), TRUNCATED)


def _refused() -> Iterator[Case]:
    good = encoded(photo(), "JPEG")
    yield Case("jpeg of 65,500 x 65,500", header_only(65500, 65500), TOO_LARGE)
    yield Case("progressive jpeg of 30 megapixels", header_only(6000, 5000, 0xC2), TOO_LARGE)
    yield Case("jpeg of 31 x 400", encoded(photo(31, 400), "JPEG"), TOO_SMALL)
    yield Case("jpeg of 1 x 1", encoded(photo(1, 1), "JPEG"), TOO_SMALL)
    yield Case("jpeg of height 0", header_only(100, 0), NOT_AN_IMAGE)
    yield Case("jpeg lossless", header_only(100, 100, 0xC3), UNSUPPORTED)
    yield Case("jpeg arithmetic", header_only(100, 100, 0xC9), UNSUPPORTED)
    yield Case("jpeg of 12 bits", header_only(100, 100, 0xC1, 12), UNSUPPORTED)
    yield Case("jpeg of two sizes", _SOI + frame(64, 64) + good[2:], TRUNCATED)
    yield Case("jpeg of 2,000 comments", with_segments(*[segment(0xFE, b"")] * 2000), UNSUPPORTED)
    yield Case("jpeg of 500 scans", _many_scans(), UNSUPPORTED)
    yield Case("jpeg of nothing but its end", _SOI + b"\xff\xd9", NOT_AN_IMAGE)
    yield Case("jpeg signature, then text", _SOI + b"\xff\xe0 this is a text that is called image/jpeg" * 9, TRUNCATED)
    yield Case("jpeg signature, then zeros", _SOI + b"\0" * 5000, NOT_AN_IMAGE)
    yield Case("jpeg signature, then 255 for ever", _SOI + b"\xff" * 100000, TRUNCATED)
    yield Case("jpeg with a segment of length 0", _SOI + b"\xff\xe0\0\0" + good[2:], NOT_AN_IMAGE)


def _many_scans() -> bytes:
    good = encoded(photo(), "JPEG", progressive=True)
    last_scan = good[good.rfind(b"\xff\xda") : -2]
    return good[:-2] + last_scan * 500 + b"\xff\xd9"
