"""Photos on their way to an endpoint: read by their header, decoded only where the container does not do it.

Pillow is imported when the first photo is decoded: in front of our own container a Lambda never needs it.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chalicelib.adapters.aws.invocation import Question
from chalicelib.adapters.image_problems import domain_error
from chalicelib.domain.errors import ImageTooLargeError
from device.runtime.image_errors import InvalidImageError
from device.runtime.image_header import ImageHeader, check_size, read_header
from device.runtime.manifest import InputSpec

if TYPE_CHECKING:
    from PIL.Image import Image

    from device.runtime.scene import SceneMeasurement

# Serverless endpoints take 4 MB, whether of 1000 or of 1024.
MAX_REQUEST_BYTES = 4_000_000
JPEG_QUALITIES = (95, 85, 75, 60)


@dataclass(frozen=True)
class FittedPhoto:
    """A photo as the model's input takes it. `size`: width and height of the upright original in pixels."""

    question: Question
    scene: SceneMeasurement
    size: tuple[int, int]


def checked_header(image: bytes) -> ImageHeader:
    """Nothing is decoded. Raises: InvalidImageError, for bombs and for what is no image by its signature."""
    with _photo_problems():
        header = read_header(image)
        check_size(header)
    return header


def shrunk(image: bytes, spec: InputSpec) -> Question:
    """A photo that is too large for an endpoint, upright and at no less than twice the model's input."""
    return Question(_jpeg(_opened(image, spec)), "image/jpeg")


def fitted(image: bytes, spec: InputSpec) -> FittedPhoto:
    """What the embedded runtime would turn into a tensor, as a file again. Raises: InvalidImageError."""
    from device.runtime.fit import fit_image
    from device.runtime.scene import measure_scene

    size = checked_header(image).upright_size
    opened = _opened(image, spec)
    return FittedPhoto(_encoded(fit_image(opened, spec)), measure_scene(opened), size)


def _opened(image: bytes, spec: InputSpec) -> Image:
    from device.runtime.image import open_image

    with _photo_problems():
        return open_image(image, spec)


def _encoded(image: Image) -> Question:
    lossless = _saved(image, "PNG", compress_level=1)
    if len(lossless) <= MAX_REQUEST_BYTES:
        return Question(lossless, "image/png")
    return Question(_jpeg(image), "image/jpeg")


def _jpeg(image: Image) -> bytes:
    for quality in JPEG_QUALITIES:
        data = _saved(image, "JPEG", quality=quality)
        if len(data) <= MAX_REQUEST_BYTES:
            return data
    raise ImageTooLargeError(
        f"This photo has {len(data)} bytes at the size that the model needs, and endpoints take {MAX_REQUEST_BYTES}; "
        f"send a smaller one."
    )


def _saved(image: Image, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


@contextmanager
def _photo_problems() -> Iterator[None]:
    try:
        yield
    except InvalidImageError as error:
        raise domain_error(error) from error
