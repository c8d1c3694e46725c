"""From the bytes of a photo to upright RGB pixels, one implementation for everybody."""

from __future__ import annotations

import io
import math
import struct
import zlib
from typing import Callable, Dict, Optional, Tuple

from PIL import Image

from device.runtime import jpeg_header, png_header
from device.runtime.image_errors import ImageTooLargeError, TruncatedImageError, UnsupportedImageError
from device.runtime.image_header import MAX_PIXELS, ImageHeader, check_size, read_header
from device.runtime.manifest_types import InputSpec
from device.runtime.memory_share import MemoryShare

Size = Tuple[int, int]

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
_JPEG_SCALES = (8, 4, 2)
_MAX_SCANS = 100
# A picture of a usual shape that the model needs has fewer pixels, or fewer than 8 times those of the input.
_MAX_KEPT_PIXELS = 1000000
# What pictures take while they are decoded, all that are at it at the same time. A larger one is decoded alone.
_DECODING = MemoryShare(64000000)
_MAX_PEAK_BYTES = 160000000
# An ordinary photo, as a model of 224 pixels needs it, waits for no large ones.
_ORDINARY_BYTES = 6000000
_PEAK_BYTES = {"jpeg": 8, "png": 8, "webp": 12}
_LEVELS_OF_16_BITS = [level >> 8 for level in range(65536)]


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
    needed = _needed_size(header, spec)
    peak_bytes = _peak_bytes(header, needed)
    if needed and peak_bytes > _MAX_PEAK_BYTES:
        raise ImageTooLargeError(
            "the image has %d x %d pixels, %.1f million, which cannot be decoded at a smaller scale; send a smaller one"
            % (header.width, header.height, header.width * header.height / 1e6)
        )
    try:
        with _DECODING.of(peak_bytes if peak_bytes > _ORDINARY_BYTES else 0):
            return _decode(data, header, needed)
    except _DECODER_ERRORS as error:
        raise TruncatedImageError("the %s ends early or is damaged; send it again" % header.format) from error


def _peak_bytes(header: ImageHeader, needed: Optional[Size]) -> int:
    """What decoding takes at its peak, as measured: of a JPEG that is not sequential also all its coefficients."""
    pixels = header.width * header.height
    if header.format != "jpeg":
        return pixels * _PEAK_BYTES[header.format]
    scale = _scale(header, needed)
    coefficients = 0 if header.scalable else pixels * header.components * 2
    return coefficients + pixels // scale**2 * _PEAK_BYTES["jpeg"]


def _check_scans(data: bytes, header: ImageHeader) -> None:
    # Every scan of a progressive JPEG goes over the whole picture again: a few KB can cost minutes.
    if header.format == "jpeg" and not header.scalable and data.count(b"\xff\xda") > _MAX_SCANS:
        raise UnsupportedImageError("the JPEG has more than %d scans; save it again" % _MAX_SCANS)


def _decode(data: bytes, header: ImageHeader, needed: Optional[Size]) -> Image.Image:
    if header.ordinary:
        return _upright(_kept(_decode_jpeg(data, header, needed), needed), header.orientation)
    # Pillow sees the pixels only: metadata is what makes decoders warn, allocate and fail.
    pixels = _WITHOUT_METADATA[header.format](data)
    image: Image.Image = Image.open(io.BytesIO(pixels), formats=(header.format.upper(),))
    with image:
        if image.size != (header.width, header.height):
            raise ValueError("two sizes in one file")
        if needed:
            image.draft(None, needed)
        _load(image)
        averaged = _averaged(image)
        if averaged is not image:
            image.close()
        small = averaged if header.format == "jpeg" else _shrunk(averaged, needed)
        return _upright(_to_rgb(_kept(small, needed)), header.orientation)


def _load(image: Image.Image) -> None:
    """A WebP's decoder keeps two canvases, which nobody needs when its one picture is copied."""
    if not hasattr(image, "_decoder"):
        image.load()
        return
    prepare = image.load_prepare  # type: ignore[attr-defined]

    def without_decoder() -> None:
        image._decoder = None
        prepare()

    image.load_prepare = without_decoder  # type: ignore[attr-defined]
    try:
        image.load()
    finally:
        # It knows the image, and the image it: together they would stay until Python's next collection.
        del image.load_prepare  # type: ignore[attr-defined]


def _decode_jpeg(data: bytes, header: ImageHeader, needed: Optional[Size]) -> Image.Image:
    """By Pillow's decoder alone: reading the header again in Python costs half of what decoding a small photo does."""
    scale = _scale(header, needed)
    size = (-(-header.width // scale), -(-header.height // scale))
    return Image.frombytes("RGB", size, data, "jpeg", ("RGB", "", scale, 0))


def _scale(header: ImageHeader, needed: Optional[Size]) -> int:
    """The fraction of its size at which a JPEG is decoded: 1 / scale."""
    possible = min(header.width // needed[0], header.height // needed[1]) if needed else 1
    return next((scale for scale in _JPEG_SCALES if scale <= possible), 1)


def reduce_image(image: Image.Image, spec: InputSpec) -> Image.Image:
    """A frame far larger than the model's input, averaged to a fraction of its size, as a photo would be decoded."""
    return _shrunk(image, (round(_MARGIN * spec.width), round(_MARGIN * spec.height)))


def _needed_size(header: ImageHeader, spec: Optional[InputSpec]) -> Optional[Size]:
    """Width and height, as stored, under which the decoded photo must not fall."""
    if spec is None:
        return None
    width, height = round(_MARGIN * spec.width), round(_MARGIN * spec.height)
    return (height, width) if header.orientation >= 5 else (width, height)


def _averaged(image: Image.Image) -> Image.Image:
    """In a mode in which pixels can be averaged: palettes and colours that stand for transparency cannot."""
    if image.mode.startswith("I"):
        # 16 bits: Pillow versions differ in whether convert("L") scales or clips, so it is scaled here.
        return image.convert("I").point(_LEVELS_OF_16_BITS, "L")
    if image.mode in ("PA", "La", "RGBa") or "transparency" in image.info:
        return image.convert("RGBA")
    return image if image.mode in _AVERAGED else image.convert("RGB")


def _shrunk(image: Image.Image, needed: Optional[Size]) -> Image.Image:
    if needed is None:
        return image
    factor = min(image.width // needed[0], image.height // needed[1])
    return image.reduce(factor) if factor >= 2 else image


def _kept(image: Image.Image, needed: Optional[Size]) -> Image.Image:
    """What has an unusual shape is still too large when its short side is as short as it may be."""
    if needed is None:
        return image
    most = max(_MAX_KEPT_PIXELS, 8 * needed[0] * needed[1])
    factor = math.ceil(math.sqrt(image.width * image.height / most))
    return image.reduce(factor) if factor >= 2 else image


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode in ("LA", "RGBA"):
        return _on_white(image.convert("RGBA"))
    return image if image.mode == "RGB" else image.convert("RGB")


def _on_white(image: Image.Image) -> Image.Image:
    background = Image.new("RGB", image.size, _WHITE)
    background.paste(image, mask=image.getchannel("A"))
    return background


def _upright(image: Image.Image, orientation: int) -> Image.Image:
    transposition = _TRANSPOSITIONS.get(orientation)
    return image if transposition is None else image.transpose(transposition)
