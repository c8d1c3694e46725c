"""The chunks of a WebP: simple (VP8, VP8L) or extended (VP8X, which may be animated and carry EXIF)."""

from __future__ import annotations

import struct
from typing import Iterator, Tuple

from device.runtime import exif
from device.runtime.image_errors import NotAnImageError, TruncatedImageError, UnsupportedImageError

_MAX_CHUNKS = 2000


def read_webp(data: bytes) -> Tuple[int, int, int, int]:
    """Width, height, frames, orientation (1-8). Raises: InvalidImageError."""
    if len(data) < 30:
        raise TruncatedImageError("the WebP ends inside its header; send the whole file")
    (length,) = struct.unpack_from("<I", data, 4)
    if length + 8 > len(data):
        raise TruncatedImageError("the WebP has %d of %d bytes; send the whole file" % (len(data), length + 8))
    kind = data[12:16]
    if kind == b"VP8X":
        return _extended(data)
    if kind == b"VP8L":
        width, height = _lossless(data)
    elif kind == b"VP8 ":
        width, height = _lossy(data)
    else:
        raise NotAnImageError("the WebP does not begin with a picture; send the image again")
    return width, height, 1, 1


def _lossy(data: bytes) -> Tuple[int, int]:
    if data[23:26] != b"\x9d\x01\x2a":
        raise NotAnImageError("the WebP's first frame is damaged; send the image again")
    width, height = struct.unpack_from("<HH", data, 26)
    if not width & 0x3FFF or not height & 0x3FFF:
        raise NotAnImageError("the WebP says it has no pixels; send the image again")
    return width & 0x3FFF, height & 0x3FFF


def _lossless(data: bytes) -> Tuple[int, int]:
    if data[20] != 0x2F:
        raise NotAnImageError("the WebP's first frame is damaged; send the image again")
    (bits,) = struct.unpack_from("<I", data, 21)
    return (bits & 0x3FFF) + 1, ((bits >> 14) & 0x3FFF) + 1


def _extended(data: bytes) -> Tuple[int, int, int, int]:
    width = int.from_bytes(data[24:27], "little") + 1
    height = int.from_bytes(data[27:30], "little") + 1
    frames, orientation = 0, 1
    for kind, start, end in _chunks(data):
        if kind == b"ANMF":
            frames += 1
        elif kind == b"EXIF":
            orientation = exif.orientation(data[start:end])
    return width, height, max(1, frames), orientation


def _chunks(data: bytes) -> Iterator[Tuple[bytes, int, int]]:
    position = 12
    for _ in range(_MAX_CHUNKS):
        if position + 8 > len(data):
            return
        kind, length = struct.unpack_from("<4sI", data, position)
        yield kind, position + 8, position + 8 + length
        position += 8 + length + (length & 1)
    raise UnsupportedImageError("the WebP has more than %d chunks; send one picture" % _MAX_CHUNKS)
