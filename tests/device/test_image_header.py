from __future__ import annotations

import pytest

from device.runtime.image import open_image
from device.runtime.image_header import (
    ImageHeader,
    ImageTooLargeError,
    ImageTooSmallError,
    NotAnImageError,
    UnsupportedImageError,
    check_size,
    read_header,
)
from tests.corpus import Case, corpus
from tests.corpus.jpegs import header_only, segment

BODIES = {case.name: case.body for case in corpus()}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("jpeg", ("jpeg", 160, 120, 1, 1)),
        ("jpeg progressive", ("jpeg", 160, 120, 1, 1)),
        ("jpeg orientation 6", ("jpeg", 160, 120, 1, 6)),
        ("jpeg orientation 5", ("jpeg", 160, 120, 1, 5)),
        ("jpeg orientation 9, which there is not", ("jpeg", 160, 120, 1, 1)),
        ("jpeg with corrupt EXIF", ("jpeg", 160, 120, 1, 1)),
        ("jpeg with huge EXIF", ("jpeg", 160, 120, 1, 1)),
        ("jpeg with fill bytes before its markers", ("jpeg", 160, 120, 1, 1)),
        ("png", ("png", 160, 120, 1, 1)),
        ("png animated", ("png", 160, 120, 3, 1)),
        ("png orientation 6", ("png", 160, 120, 1, 6)),
        ("png orientation 6 behind the pixels", ("png", 160, 120, 1, 6)),
        ("webp", ("webp", 160, 120, 1, 1)),
        ("webp lossless", ("webp", 160, 120, 1, 1)),
        ("webp with alpha", ("webp", 160, 120, 1, 1)),
        ("webp animated", ("webp", 160, 120, 3, 1)),
        ("webp orientation 6", ("webp", 160, 120, 1, 6)),
    ],
)
def test_size_frames_and_orientation_are_read(name: str, expected: tuple) -> None:
    header = read_header(BODIES[name])
    assert (header.format, header.width, header.height, header.frames, header.orientation) == expected


@pytest.mark.parametrize("case", [case for case in corpus() if case.expected == "ok"], ids=lambda case: case.name)
def test_the_size_is_the_one_that_is_decoded(case: Case) -> None:
    assert open_image(case.body).size == read_header(case.body).upright_size


def test_a_turned_photo_is_measured_as_people_see_it() -> None:
    assert read_header(BODIES["jpeg orientation 6"]).upright_size == (120, 160)
    assert read_header(BODIES["jpeg orientation 3"]).upright_size == (160, 120)


def test_only_a_sequential_jpeg_is_scalable() -> None:
    scalable = {name for name in ("jpeg", "jpeg progressive", "png", "webp") if read_header(BODIES[name]).scalable}
    assert scalable == {"jpeg"}


def test_a_jpeg_whose_colours_come_in_scans_of_their_own_is_not_scalable() -> None:
    body = BODIES["jpeg"]
    start = body.index(b"\xff\xda")
    alone = body[:start] + b"\xff\xda\0\x08\x01\x01\0\0\x3f\0" + body[start + 14 :]
    assert not read_header(alone).scalable


def test_only_a_jpeg_of_three_colours_with_usual_markers_is_ordinary() -> None:
    names = ("jpeg", "jpeg progressive", "jpeg orientation 6", "jpeg greyscale", "jpeg CMYK", "png", "webp")
    assert [name for name in names if read_header(BODIES[name]).ordinary] == list(names[:3])


@pytest.mark.parametrize("marker", [0x00, 0x02, 0xDC, 0xF0])
def test_a_segment_that_decoders_may_read_differently_is_not_ordinary(marker: int) -> None:
    """libjpeg takes FF00 for nothing, and would find a frame of another size inside of what is skipped here."""
    body = BODIES["jpeg"]
    header = read_header(body[:2] + segment(marker, header_only(4000, 3000)[2:]) + body[2:])
    assert (header.width, header.height, header.ordinary) == (160, 120, False)


def test_compressed_bytes_that_spell_exif_by_chance_are_not_believed() -> None:
    body = BODIES["png"]
    fake = body[:-12] + b"\0\0\0\x1aeXIf" + b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0" + body[-12:]
    assert read_header(fake).orientation == 1


@pytest.mark.parametrize(
    ("body", "error", "message"),
    [
        (b"", NotAnImageError, "0 bytes"),
        (b"hello there", NotAnImageError, "no image by their signature"),
        (b"GIF89a" + b"\0" * 50, UnsupportedImageError, "this is a GIF file; send a JPEG, PNG or WebP"),
        (b"\0\0\0\x18ftypheic" + b"\0" * 50, UnsupportedImageError, "HEIC"),
    ],
)
def test_the_message_says_what_to_send_instead(body: bytes, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        read_header(body)


@pytest.mark.parametrize(
    ("header", "fits"),
    [
        (ImageHeader("jpeg", 8000, 6000, scalable=True), True),
        (ImageHeader("jpeg", 8001, 6250, scalable=True), False),
        (ImageHeader("jpeg", 6000, 4000), True),
        (ImageHeader("jpeg", 6001, 4000), False),
        (ImageHeader("png", 4000, 4250), True),
        (ImageHeader("png", 4001, 4250), False),
        (ImageHeader("webp", 4000, 3000), True),
        (ImageHeader("webp", 4000, 3200), False),
    ],
)
def test_the_limit_is_lower_for_what_must_be_decoded_whole(header: ImageHeader, fits: bool) -> None:
    if fits:
        check_size(header)
    else:
        with pytest.raises(ImageTooLargeError, match="million"):
            check_size(header)


def test_the_limit_can_be_set() -> None:
    with pytest.raises(ImageTooLargeError):
        check_size(ImageHeader("png", 1001, 1000), max_pixels=1000000)


@pytest.mark.parametrize(("width", "height"), [(31, 32), (32, 31), (1, 1)])
def test_a_side_under_32_pixels_is_too_small(width: int, height: int) -> None:
    with pytest.raises(ImageTooSmallError, match="at least 32"):
        check_size(ImageHeader("png", width, height))
