"""The chunks before a PNG's pixels (and the EXIF that some programs write behind them)."""

from __future__ import annotations

import struct
import zlib
from typing import Iterator, Optional, Tuple

from device.runtime import exif
from device.runtime.image_errors import NotAnImageError, TruncatedImageError, UnsupportedImageError

_MAX_CHUNKS = 1000
_TAIL_BYTES = 65536
_END = b"\0\0\0\0IEND\xaeB`\x82"


def read_png(data: bytes) -> Tuple[int, int, int, int]:
    """Width, height, frames (1 unless an APNG), orientation (1-8). Raises: InvalidImageError."""
    width, height = _size(data)
    frames = 1
    orientation: Optional[int] = None
    for kind, start, end in _chunks(data):
        if kind == b"acTL" and end - start >= 4:
            frames = max(1, int.from_bytes(data[start : start + 4], "big"))
        elif kind == b"eXIf" and orientation is None:
            orientation = exif.orientation(data[start:end])
    return width, height, frames, _trailing_orientation(data) if orientation is None else orientation


def without_metadata(data: bytes) -> bytes:
    """The same picture without texts, colour profiles, EXIF and further frames; its transparency stays."""
    kept = [data[:8]]
    position = 8
    for kind, start, end in _chunks(data):
        if kind == b"tRNS" or _is_critical(kind):
            kept.append(data[start - 8 : end + 4])
        position = end + 4
    end = _end_of_pixels(data, position)
    return b"".join([*kept, memoryview(data)[position:end], _END])


def _size(data: bytes) -> Tuple[int, int]:
    if len(data) < 33:
        raise TruncatedImageError("the PNG ends inside its header; send the whole file")
    if data[12:16] != b"IHDR":
        raise NotAnImageError("the PNG does not begin with its header; send the image again")
    width, height = struct.unpack_from(">II", data, 16)
    if not 0 < width < 2**31 or not 0 < height < 2**31:
        raise NotAnImageError("the PNG says it has %d x %d pixels; send the image again" % (width, height))
    return width, height


def _chunks(data: bytes) -> Iterator[Tuple[bytes, int, int]]:
    """Type, and where its content starts and ends, up to the first pixels."""
    position = 8
    for _ in range(_MAX_CHUNKS):
        if position + 8 > len(data):
            raise TruncatedImageError("the PNG ends before its pixels; send the whole file")
        length, kind = struct.unpack_from(">I4s", data, position)
        if kind == b"IDAT":
            return
        if kind == b"IEND":
            raise NotAnImageError("the PNG has no pixels; send the image again")
        yield kind, position + 8, position + 8 + length
        position += length + 12
    raise UnsupportedImageError("the PNG has more than %d chunks before its pixels; save it again" % _MAX_CHUNKS)


def _end_of_pixels(data: bytes, position: int) -> int:
    while data[position + 4 : position + 8] == b"IDAT":
        position += int.from_bytes(data[position : position + 4], "big") + 12
    return min(position, len(data))


def _is_critical(kind: bytes) -> bool:
    return not kind[0] & 0x20


def _trailing_orientation(data: bytes) -> int:
    at = data.rfind(b"eXIf", max(0, len(data) - _TAIL_BYTES))
    if at < 4:
        return 1
    (length,) = struct.unpack_from(">I", data, at - 4)
    checksum = data[at + 4 + length : at + 8 + length]
    # Compressed pixels can spell the name by chance: the checksum tells.
    if length > _TAIL_BYTES or int.from_bytes(checksum, "big") != zlib.crc32(data[at : at + 4 + length]):
        return 1
    return exif.orientation(data[at + 4 : at + 4 + length])
