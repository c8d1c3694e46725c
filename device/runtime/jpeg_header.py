"""The markers before a JPEG's first scan."""

from __future__ import annotations

from typing import Iterator, Tuple

from device.runtime import exif
from device.runtime.image_errors import NotAnImageError, TruncatedImageError, UnsupportedImageError

_SOI, _EOI, _SOS, _APP1 = 0xD8, 0xD9, 0xDA, 0xE1
_FRAMES = frozenset((0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF))
_SEQUENTIAL = frozenset((0xC0, 0xC1))
_PROGRESSIVE = 0xC2
_ALONE = frozenset((0x01, *range(0xD0, 0xD8)))
_APP14, _COM = 0xEE, 0xFE
_METADATA = frozenset((*range(_APP1, _APP14), 0xEF, _COM))
# Read, or skipped by their length, by libjpeg just as here: with these alone nobody can show it another size.
_ORDINARY = frozenset((*_SEQUENTIAL, _PROGRESSIVE, 0xC4, 0xDB, 0xDD, *range(0xE0, 0xF0), _COM, _SOS))
_MAX_SEGMENTS = 1000


def read_jpeg(data: bytes) -> Tuple[int, int, int, bool, int, bool]:
    """Width, height, orientation (1-8), whether it is one sequential scan, components, whether it is ordinary: three
    colours and no markers but those that every decoder reads alike. Raises: InvalidImageError.
    """
    orientation = 1
    frame = None
    is_ordinary = True
    for marker, start, end in _segments(data):
        is_ordinary = is_ordinary and marker in _ORDINARY
        if marker == _APP1 and orientation == 1 and data.startswith(b"Exif\0", start):
            orientation = exif.orientation(data[start:end])
        elif marker in _FRAMES and frame is None:
            frame = marker, _frame(data, marker, start, end)
        elif marker == _SOS:
            break
    if frame is None:
        raise NotAnImageError("the JPEG has no frame before its data; send the photo again")
    marker, (width, height, components) = frame
    whole_scan = data[start : start + 1] == bytes([components])
    is_scalable = marker in _SEQUENTIAL and whole_scan
    return width, height, orientation, is_scalable, components, is_ordinary and components == 3


def without_metadata(data: bytes) -> bytes:
    """The same picture without EXIF, colour profiles, previews and comments; Adobe's and JFIF's colour marks stay."""
    kept = [b"\xff\xd8"]
    position = 2
    for marker, start, position in _segments(data):
        if marker not in _METADATA:
            kept.append(bytes((0xFF, marker)) + data[start - 2 : position])
    return b"".join([*kept, memoryview(data)[position:]])


def _segments(data: bytes) -> Iterator[Tuple[int, int, int]]:
    """Marker, and where its content starts and ends, up to the first scan."""
    position = 2
    for _ in range(_MAX_SEGMENTS):
        marker, position = _marker(data, position)
        if marker in _ALONE or marker == _SOI:
            continue
        if marker == _EOI:
            raise NotAnImageError("the JPEG ends before it has any picture; send the photo again")
        if position + 2 > len(data):
            raise TruncatedImageError("the JPEG ends inside its header; send the whole file")
        end = position + int.from_bytes(data[position : position + 2], "big")
        if end > len(data):
            raise TruncatedImageError("the JPEG ends inside its header; send the whole file")
        if end < position + 2:
            raise NotAnImageError("the JPEG's header is damaged; send the photo again")
        yield marker, position + 2, end
        if marker == _SOS:
            return
        position = end
    raise UnsupportedImageError("the JPEG has more than %d segments in its header; save it again" % _MAX_SEGMENTS)


def _marker(data: bytes, position: int) -> Tuple[int, int]:
    if position >= len(data):
        raise TruncatedImageError("the JPEG ends inside its header; send the whole file")
    if data[position] != 0xFF:
        raise NotAnImageError("the JPEG's header is damaged at byte %d; send the photo again" % position)
    while data[position : position + 1] == b"\xff":
        position += 1
    if position >= len(data):
        raise TruncatedImageError("the JPEG ends inside its header; send the whole file")
    return data[position], position + 1


def _frame(data: bytes, marker: int, start: int, end: int) -> Tuple[int, int, int]:
    if marker not in _SEQUENTIAL and marker != _PROGRESSIVE:
        raise UnsupportedImageError("the JPEG is lossless or arithmetic-coded; save it as an ordinary JPEG")
    if end - start < 6:
        raise NotAnImageError("the JPEG's frame header is damaged; send the photo again")
    if data[start] != 8:
        raise UnsupportedImageError("the JPEG has %d bits a sample; save it with 8" % data[start])
    height = int.from_bytes(data[start + 1 : start + 3], "big")
    width = int.from_bytes(data[start + 3 : start + 5], "big")
    if not width or not height:
        raise NotAnImageError("the JPEG says it has %d x %d pixels; send the photo again" % (width, height))
    return width, height, data[start + 5]
