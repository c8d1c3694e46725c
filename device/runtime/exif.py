"""The orientation in an EXIF block; whatever is wrong with the block, the photo counts as upright."""

from __future__ import annotations

import struct

_ORIENTATION_TAG = 0x0112
_MAX_ENTRIES = 512


def orientation(block: bytes) -> int:
    """block: a TIFF structure, with or without the "Exif" prefix. Answers 1-8; 1 when there is none."""
    tiff = block[6:] if block.startswith(b"Exif\0") else block
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    if order is None:
        return 1
    try:
        return _first_directory(tiff, order)
    except struct.error:
        return 1


def _first_directory(tiff: bytes, order: str) -> int:
    (offset,) = struct.unpack_from(order + "I", tiff, 4)
    (entries,) = struct.unpack_from(order + "H", tiff, offset)
    for index in range(min(entries, _MAX_ENTRIES)):
        tag, _, _, value = struct.unpack_from(order + "HHIH", tiff, offset + 2 + 12 * index)
        if tag == _ORIENTATION_TAG:
            return value if 1 <= value <= 8 else 1
    return 1
