"""PNGs: every colour type and depth, animation, bombs, damage."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator

from PIL import Image, PngImagePlugin

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

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GREY, _RGB, _RGBA = 0, 2, 6
_MEBIBYTE = 1024 * 1024


def pngs() -> list[Case]:
    return [*_kinds(), *_made_by_hand(), *_metadata(), *_bombs(), *_damaged(), *_truncated()]


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def header(width: int, height: int, depth: int = 8, color: int = _RGB, interlace: int = 0) -> bytes:
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, interlace))


def built(first: bytes, pixels: bytes, *between: bytes) -> bytes:
    """A whole PNG of a header, chunks, and raw scan lines."""
    return SIGNATURE + first + b"".join(between) + chunk(b"IDAT", zlib.compress(pixels, 9)) + chunk(b"IEND", b"")


def packed_zeros(mebibytes: int) -> bytes:
    """So many zeros, compressed piece by piece: this program is not to need the memory that it is testing for."""
    packer = zlib.compressobj(1)
    zeros = b"\0" * _MEBIBYTE
    return b"".join(packer.compress(zeros) for _ in range(mebibytes)) + packer.flush()


def _kinds() -> Iterator[Case]:
    image = photo()
    alpha = image.convert("RGBA")
    alpha.putalpha(Image.radial_gradient("L").resize(image.size))
    yield Case("png", encoded(image, "PNG"), OK)
    yield Case("png with alpha", encoded(alpha, "PNG"), OK)
    yield Case("png all transparent", encoded(Image.new("RGBA", (64, 64)), "PNG"), OK)
    yield Case("png greyscale", encoded(image.convert("L"), "PNG"), OK)
    yield Case("png greyscale with alpha", encoded(alpha.convert("LA"), "PNG"), OK)
    yield Case("png 1 bit", encoded(image.convert("1"), "PNG"), OK)
    yield Case("png 1 bit transparent", encoded(image.convert("1"), "PNG", transparency=0), OK)
    yield Case("png palette", encoded(image.quantize(64), "PNG"), OK)
    yield Case("png palette of 4 bits", encoded(image.quantize(16), "PNG", bits=4), OK)
    yield Case("png palette of 2 bits", encoded(image.quantize(4), "PNG", bits=2), OK)
    yield Case("png palette, one colour transparent", encoded(image.quantize(64), "PNG", transparency=3), OK)
    yield Case(
        "png palette, every colour with alpha", encoded(image.quantize(64), "PNG", transparency=bytes(range(64))), OK
    )
    yield Case("png one colour transparent", encoded(image, "PNG", transparency=(220, 30, 30)), OK)
    yield Case("png greyscale, one level transparent", encoded(image.convert("L"), "PNG", transparency=7), OK)
    yield Case("png 16 bits greyscale", encoded(Image.new("I;16", (64, 48), 40000), "PNG"), OK)
    yield Case("png animated", _animated(), OK)
    yield Case("png of 12 megapixels", encoded(Image.new("RGB", (4000, 3000), (9, 99, 9)), "PNG"), OK)
    yield Case("png called .jpg", encoded(image, "PNG"), OK)


def _animated() -> bytes:
    frames = [photo().rotate(angle) for angle in (0, 90, 180)]
    return encoded(frames[0], "PNG", save_all=True, append_images=frames[1:], duration=50)


def _made_by_hand() -> Iterator[Case]:
    rows = b"".join(
        b"\0" + b"".join(struct.pack(">HHH", x * 999, y * 999, 30000) for x in range(48)) for y in range(48)
    )
    yield Case("png 16 bits colour", built(header(48, 48, 16, _RGB), rows), OK)
    rows = b"".join(b"\0" + struct.pack(">HHHH", 60000, 0, 0, y * 1300) * 48 for y in range(48))
    yield Case("png 16 bits with alpha", built(header(48, 48, 16, _RGBA), rows), OK)
    grey = b"".join(b"\0" + struct.pack(">H", y * 1300) * 48 for y in range(48))
    yield Case(
        "png 16 bits grey, one level transparent", built(header(48, 48, 16, _GREY), grey, chunk(b"tRNS", b"\0\0")), OK
    )
    yield Case("png interlaced", built(header(48, 40, 8, _RGB, 1), _interlaced(48, 40)), OK)
    yield Case("png of 32 x 5,000", built(header(32, 5000, 8, _GREY), (b"\0" + b"\x80" * 32) * 5000), OK)
    many = zlib.compress((b"\0" + b"\x80" * 64) * 64, 0)
    pieces = b"".join(chunk(b"IDAT", many[at : at + 3]) for at in range(0, len(many), 3))
    yield Case("png in chunks of 3 bytes", SIGNATURE + header(64, 64, 8, _GREY) + pieces + chunk(b"IEND", b""), OK)
    yield Case("png without its end", SIGNATURE + header(64, 64, 8, _GREY) + chunk(b"IDAT", many), OK)
    yield Case("png with too many pixels", built(header(64, 64, 8, _GREY), (b"\0" + b"\x80" * 64) * 640), OK)


def _interlaced(width: int, height: int) -> bytes:
    """Adam7's seven passes."""
    passes = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
    rows = []
    for left, top, step_x, step_y in passes:
        for y in range(top, height, step_y):
            rows.append(b"\0" + b"".join(bytes((x * 5, y * 6, 90)) for x in range(left, width, step_x)))
    return b"".join(rows)


def _metadata() -> Iterator[Case]:
    plain = encoded(photo(), "PNG")
    rotated = chunk(b"eXIf", exif_block(6, ">"))
    yield Case("png orientation 6", plain[:33] + rotated + plain[33:], OK)
    yield Case("png orientation 6 behind the pixels", plain[:-12] + rotated + plain[-12:], OK)
    yield Case("png with corrupt EXIF", plain[:33] + chunk(b"eXIf", b"II*\0\xff\xff") + plain[33:], OK)
    bomb = packed_zeros(64)
    yield Case("png with a text of 64 MB", plain[:33] + chunk(b"zTXt", b"k\0\0" + bomb) + plain[33:], OK)
    yield Case("png with a profile of 64 MB", plain[:33] + chunk(b"iCCP", b"k\0\0" + bomb) + plain[33:], OK)
    yield Case("png with a text of 64 MB at its end", plain[:-12] + chunk(b"zTXt", b"k\0\0" + bomb) + plain[-12:], OK)
    lying = struct.pack(">II", 0xFFFFFFFF, 0)
    yield Case("png of 4 billion frames", plain[:33] + chunk(b"acTL", lying) + plain[33:], OK)
    yield Case("png of no frames", plain[:33] + chunk(b"acTL", b"\0" * 8) + plain[33:], OK)
    yield Case("png with text", _with_text(), OK)
    yield Case("png of 2,000 empty chunks", plain[:33] + chunk(b"teSt", b"") * 2000 + plain[33:], UNSUPPORTED)
    yield Case("png with bytes behind its end", plain + b"<script>alert(1)</script>" * 50, OK)


def _with_text() -> bytes:
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Comment", "a" * 5000)
    texts.add_itxt("Title", "b" * 5000, zip=True)
    stream = io.BytesIO()
    photo().save(stream, "PNG", pnginfo=texts)
    return stream.getvalue()


def _bombs() -> Iterator[Case]:
    for width, height in ((60000, 60000), (2**31 - 1, 2**31 - 1), (8000, 8000), (5000, 5000), (2, 2**31 - 1)):
        body = SIGNATURE + header(width, height) + chunk(b"IDAT", zlib.compress(b"\0" * 100))
        yield Case(f"png of {width} x {height} in 100 bytes", body, TOO_LARGE)
    yield Case("png of 20,000 x 20,000 with all its pixels", _real_bomb(20000), TOO_LARGE)
    yield Case("png whose pixels are a bomb", _overfull(), OK)
    yield Case("png of 1 x 1", encoded(photo(1, 1), "PNG"), TOO_SMALL)
    yield Case("png of 31 x 400", encoded(photo(31, 400), "PNG"), TOO_SMALL)
    yield Case("png of 400 x 31", encoded(photo(400, 31), "PNG"), TOO_SMALL)


def _real_bomb(side: int) -> bytes:
    packer = zlib.compressobj(9)
    row = b"\0" * (side // 8 + 1)
    packed = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    return SIGNATURE + header(side, side, 1, _GREY) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def _overfull() -> bytes:
    return SIGNATURE + header(64, 64, 8, _GREY) + chunk(b"IDAT", packed_zeros(128)) + chunk(b"IEND", b"")


def _damaged() -> Iterator[Case]:
    good = encoded(photo(), "PNG")
    first = header(64, 64)
    for name, expected, body in _without_picture(first):
        yield Case("png " + name, body, expected)
    yield Case("png with a damaged header checksum", good[:29] + b"\0\0\0\0" + good[33:], TRUNCATED)
    yield Case("png of two headers", good[:33] + header(9000, 9000) + good[33:], TRUNCATED)
    yield Case("png of pixels that are noise", SIGNATURE + first + chunk(b"IDAT", b"\x9b" * 3000), TRUNCATED)
    yield Case("png with damaged line ends", good.replace(b"\r\n", b"\n", 1), NOT_AN_IMAGE)
    yield Case("png of Apple's kind", SIGNATURE + chunk(b"CgBI", b"\x50\0\x20\x02") + good[8:], NOT_AN_IMAGE)


def _without_picture(first: bytes) -> Iterator[tuple[str, str, bytes]]:
    yield "of its signature only", TRUNCATED, SIGNATURE
    yield "of no pixels", NOT_AN_IMAGE, SIGNATURE + first + chunk(b"IEND", b"")
    yield "of its header only", TRUNCATED, SIGNATURE + first
    yield "of 0 x 0", NOT_AN_IMAGE, built(header(0, 0), b"")
    yield "of a colour type that there is not", TRUNCATED, built(header(64, 64, 8, 5), b"\0" * 9999)
    yield "of too few pixels", TRUNCATED, built(first, b"\0" * 500)
    yield "of a chunk of 4 GB", TRUNCATED, SIGNATURE + first + b"\xff\xff\xff\xfftEXt" + b"a" * 100
    yield "of pixels of 4 GB", TRUNCATED, SIGNATURE + first + b"\xff\xff\xff\xffIDAT" + b"a" * 100


def _truncated() -> Iterator[Case]:
    good = encoded(photo(320, 240), "PNG")
    for length in (9, 20, 33, 40):
        yield Case(f"png of its first {length} bytes", good[:length], TRUNCATED)
    for percent in (25, 50, 90):
        yield Case(f"png cut at {percent}%", good[: len(good) * percent // 100], TRUNCATED)
