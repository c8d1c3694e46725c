"""From the bytes of a photo to upright RGB pixels, one implementation for everybody."""

from __future__ import annotations

import io
import struct
import threading
import zlib
from contextlib import nullcontext
from typing import Any, Callable, ContextManager, Dict, Optional, Tuple

from PIL import Image

from device.runtime import jpeg_header, png_header
from device.runtime.image_errors import TruncatedImageError, UnsupportedImageError
from device.runtime.image_header import MAX_PIXELS, ImageHeader, check_size, read_header
from device.runtime.manifest_types import InputSpec

# What Pillow's decoders raise on damaged files, as seen by feeding them such files.
_DECODER_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    OverflowError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)
_TRANSPOSITIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_WITHOUT_METADATA: Dict[str, Callable[[bytes], bytes]] = {
    "jpeg": jpeg_header.without_metadata,
    "png": png_header.without_metadata,
    "webp": bytes,
}
_AVERAGED = frozenset(("L", "LA", "RGB", "RGBA", "CMYK"))
_WHITE = (255, 255, 255)
# A photo decoded at a smaller scale keeps this many times the pixels a side that the model needs: on photos of 12
# megapixels the input then differs by 0.2 grey levels of 255 in the mean from that of a whole decoding.
_MARGIN = 1.5
_MAX_SCANS = 100
# What must be held whole and is that large is decoded by one thread at a time, or a few of them fill the memory.
_LARGE_PIXELS = 4000000
_LARGE_ONE = threading.Lock()


def open_image(data: bytes, spec: Optional[InputSpec] = None, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """The photo upright, in RGB; of an animation the first frame; transparent parts on white.

    With a spec, a photo far larger than the model's input is decoded at a smaller scale, but at 1.5 times the input
    a side or more.
    Raises: InvalidImageError; a bomb is refused before anything is decoded.
    """
    return decode_image(data, read_header(data), spec, max_pixels)


def decode_image(
    data: bytes, header: ImageHeader, spec: Optional[InputSpec] = None, max_pixels: int = MAX_PIXELS
) -> Image.Image:
    """`open_image` for whoever has read the header. Raises: InvalidImageError."""
    check_size(header, max_pixels)
    _check_scans(data, header)
    try:
        with _turn(header):
            return _decode(data, header, spec)
    except _DECODER_ERRORS as error:
        raise TruncatedImageError("the %s ends early or is damaged; send it again" % header.format) from error


def _turn(header: ImageHeader) -> ContextManager[Any]:
    return nullcontext() if header.scalable or header.width * header.height < _LARGE_PIXELS else _LARGE_ONE


def _check_scans(data: bytes, header: ImageHeader) -> None:
    # Every scan of a progressive JPEG goes over the whole picture again: a few KB can cost minutes.
    if header.format == "jpeg" and not header.scalable and data.count(b"\xff\xda") > _MAX_SCANS:
        raise UnsupportedImageError("the JPEG has more than %d scans; save it again" % _MAX_SCANS)


def _decode(data: bytes, header: ImageHeader, spec: Optional[InputSpec]) -> Image.Image:
    # Pillow sees the pixels only: metadata is what makes decoders warn, allocate and fail.
    pixels = _WITHOUT_METADATA[header.format](data)
    image: Image.Image = Image.open(io.BytesIO(pixels), formats=(header.format.upper(),))
    with image:
        if image.size != (header.width, header.height):
            raise ValueError("two sizes in one file")
        needed = _needed_size(header, spec)
        if needed:
            image.draft(None, needed)
        image.load()
        small = image if header.format == "jpeg" else _shrunk(image, needed)
        return _upright(_to_rgb(small), header.orientation)


def reduce_image(image: Image.Image, spec: InputSpec) -> Image.Image:
    """A frame far larger than the model's input, averaged to a fraction of its size, as a photo would be decoded."""
    return _shrunk(image, (round(_MARGIN * spec.width), round(_MARGIN * spec.height)))


def _needed_size(header: ImageHeader, spec: Optional[InputSpec]) -> Optional[Tuple[int, int]]:
    """Width and height, as stored, under which the decoded photo must not fall."""
    if spec is None:
        return None
    width, height = round(_MARGIN * spec.width), round(_MARGIN * spec.height)
    return (height, width) if header.orientation >= 5 else (width, height)


def _shrunk(image: Image.Image, needed: Optional[Tuple[int, int]]) -> Image.Image:
    # Palettes, 16-bit samples and colours that stand for transparency cannot be averaged before they are converted.
    if needed is None or image.mode not in _AVERAGED or "transparency" in image.info:
        return image
    factor = min(image.width // needed[0], image.height // needed[1])
    return image.reduce(factor) if factor >= 2 else image


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        # 16 bits: Pillow versions differ in whether convert("L") scales or clips, so it is scaled here.
        return image.convert("I").point(lambda level: level * (1 / 256)).convert("L").convert("RGB")
    if image.mode in ("LA", "PA", "RGBA", "La", "RGBa") or "transparency" in image.info:
        return _on_white(image.convert("RGBA"))
    return image.convert("RGB")


def _on_white(image: Image.Image) -> Image.Image:
    background = Image.new("RGB", image.size, _WHITE)
    background.paste(image, mask=image.getchannel("A"))
    return background


def _upright(image: Image.Image, orientation: int) -> Image.Image:
    transposition = _TRANSPOSITIONS.get(orientation)
    return image if transposition is None else image.transpose(transposition)
