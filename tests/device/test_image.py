from __future__ import annotations

import gc
import io
import threading
from contextlib import nullcontext
from typing import Any, List, Tuple

import pytest
from PIL import Image, ImageChops, ImageStat

from device.runtime import image
from device.runtime.image import open_image
from device.runtime.image_header import ImageTooLargeError, TruncatedImageError
from device.runtime.manifest import InputSpec
from tests.corpus import corpus
from tests.corpus.case import encoded, photo
from tests.corpus.jpegs import header_only, segment

BODIES = {case.name: case.body for case in corpus()}
SPEC = InputSpec("data", 32, 32, "RGB", "NCHW", "squash")


def near(color: Any, expected: Tuple[int, int, int], tolerance: int = 12) -> bool:
    return all(abs(one - other) <= tolerance for one, other in zip(color, expected))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_is_applied(orientation: int) -> None:
    upright = Image.new("RGB", (80, 48), (255, 255, 255))
    upright.paste((200, 0, 0), (0, 0, 40, 24))
    upright.paste((0, 0, 200), (40, 24, 80, 48))
    turned_back = {
        2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }.get(orientation)  # fmt: skip
    stored = upright if turned_back is None else upright.transpose(turned_back)
    exif = Image.Exif()
    exif[0x0112] = orientation
    opened = open_image(encoded(stored, "JPEG", quality=95, exif=exif.tobytes()))
    assert opened.size == (80, 48)
    assert near(opened.getpixel((10, 6)), (200, 0, 0))
    assert near(opened.getpixel((70, 40)), (0, 0, 200))
    assert near(opened.getpixel((70, 6)), (255, 255, 255))


def test_what_is_transparent_lies_on_white() -> None:
    half = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    half.paste((200, 0, 0, 255), (0, 0, 32, 64))
    opened = open_image(encoded(half, "PNG"))
    assert opened.getpixel((50, 30)) == (255, 255, 255)
    assert opened.getpixel((10, 30)) == (200, 0, 0)


def test_a_transparent_colour_of_a_palette_lies_on_white() -> None:
    image = Image.new("P", (64, 64), 1)
    image.putpalette([10, 20, 30, 200, 100, 0])
    image.paste(0, (0, 0, 32, 64))
    opened = open_image(encoded(image, "PNG", transparency=0))
    assert opened.getpixel((10, 30)) == (255, 255, 255)
    assert opened.getpixel((50, 30)) == (200, 100, 0)


@pytest.mark.parametrize(("level", "grey"), [(0, 0), (256, 1), (32768, 128), (65535, 255)])
def test_16_bits_are_scaled_and_not_clipped(level: int, grey: int) -> None:
    body = encoded(Image.new("I;16", (64, 64), level), "PNG")
    assert open_image(body).getpixel((3, 3)) == (grey, grey, grey)


def test_16_bits_of_colour_are_scaled() -> None:
    opened = open_image(BODIES["png 16 bits colour"])
    assert near(opened.getpixel((47, 0)), (183, 0, 117), 1)


def test_cmyk_becomes_the_same_colours() -> None:
    opened = open_image(BODIES["jpeg CMYK"])
    assert near(opened.getpixel((10, 10)), (220, 30, 30), 20)


def test_an_interlaced_png_is_whole() -> None:
    assert open_image(BODIES["png interlaced"]).getpixel((47, 39)) == (47 * 5, 39 * 6, 90)


@pytest.mark.parametrize("name", ["png animated", "webp animated"])
def test_of_an_animation_the_first_frame_counts(name: str) -> None:
    assert near(open_image(BODIES[name]).getpixel((10, 10)), (220, 30, 30), 20)


@pytest.mark.parametrize("name", [case.name for case in corpus() if case.expected == "ok"])
def test_a_photo_decoded_for_a_model_shows_the_same_as_decoded_whole(name: str) -> None:
    whole = open_image(BODIES[name]).resize((16, 16), Image.Resampling.BOX)
    reduced = open_image(BODIES[name], SPEC).resize((16, 16), Image.Resampling.BOX)
    assert max(ImageStat.Stat(ImageChops.difference(whole, reduced)).mean) < 4


def test_a_large_jpeg_is_decoded_at_a_smaller_scale_but_never_below_what_the_model_needs() -> None:
    body = encoded(photo(4000, 3000), "JPEG")
    for side in (32, 96, 224, 300, 512):
        opened = open_image(body, InputSpec("data", side, side, "RGB", "NCHW", "squash"))
        assert opened.width < 4000
        assert min(opened.size) >= 1.5 * side - 1


def test_a_turned_jpeg_keeps_what_the_model_needs_on_the_side_where_it_needs_it() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    body = encoded(photo(2400, 1600), "JPEG", exif=exif.tobytes())
    opened = open_image(body, InputSpec("data", 100, 400, "RGB", "NCHW", "squash"))
    assert opened.width >= 150
    assert opened.height >= 600


def test_a_small_jpeg_is_decoded_whole() -> None:
    assert open_image(BODIES["jpeg"], InputSpec("data", 224, 224, "RGB", "NCHW", "squash")).size == (160, 120)


@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_has_the_pixels_that_pillow_gives_it_at_every_scale(subsampling: int, progressive: bool) -> None:
    body = encoded(photo(1003, 605), "JPEG", quality=85, subsampling=subsampling, progressive=progressive)
    for side in (32, 60, 150, 300):
        pillows = Image.open(io.BytesIO(body))
        pillows.draft(None, (round(1.5 * side), round(1.5 * side)))
        opened = open_image(body, InputSpec("data", side, side, "RGB", "NCHW", "squash"))
        assert (opened.size, opened.tobytes()) == (pillows.size, pillows.convert("RGB").tobytes())


def test_a_frame_that_is_hidden_from_our_reading_of_the_header_is_refused() -> None:
    body = BODIES["jpeg"]
    hidden = body[:2] + segment(0x00, header_only(640, 480)[2:]) + body[2:]
    with pytest.raises(TruncatedImageError, match="damaged"):
        open_image(hidden)


def test_a_bomb_is_refused_before_its_pixels_are_looked_at() -> None:
    with pytest.raises(ImageTooLargeError):
        open_image(header_only(60000, 60000))
    with pytest.raises(TruncatedImageError):
        open_image(header_only(600, 600))


def test_many_threads_decode_large_pictures_and_small_ones() -> None:
    large = encoded(Image.new("RGB", (3300, 3000), (9, 99, 9)), "PNG")
    bodies = [large, BODIES["png"], large, BODIES["jpeg"], large]
    sizes: List[Any] = []
    threads = [threading.Thread(target=lambda body=body: sizes.append(open_image(body).size)) for body in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(sizes) == sorted([(3300, 3000)] * 3 + [open_image(BODIES[name]).size for name in ("png", "jpeg")])


def test_an_ordinary_photo_does_not_wait_for_large_ones() -> None:
    spec = InputSpec("data", 224, 224, "RGB", "NCHW", "squash")
    large = encoded(Image.new("RGB", (1200, 1000), (9, 99, 9)), "PNG")
    with image._DECODING.of(10**9):
        waiting = threading.Thread(target=open_image, args=(large, spec))
        waiting.start()
        for body in (encoded(photo(4000, 3000), "JPEG"), encoded(photo(640, 480), "PNG"), BODIES["webp"]):
            assert open_image(body, spec).size
        assert waiting.is_alive()
    waiting.join()


@pytest.mark.parametrize(
    ("size", "fits"), [((4000, 3000), True), ((20000, 700), True), ((40000, 700), False), ((700, 40000), False)]
)
def test_a_jpeg_that_cannot_be_decoded_at_a_smaller_scale_has_a_limit(size: Tuple[int, int], fits: bool) -> None:
    spec = InputSpec("data", 240, 240, "RGB", "NCHW", "squash")
    with nullcontext() if fits else pytest.raises(ImageTooLargeError, match="smaller scale"):
        open_image(encoded(Image.new("L", size, 99), "JPEG"), spec)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1", "I;16"])
def test_of_a_large_picture_no_more_is_kept_than_a_model_needs(mode: str) -> None:
    spec = InputSpec("data", 96, 96, "RGB", "NCHW", "squash")
    for size, kept in (((1200, 900), (200, 150)), ((30000, 200), (10000, 67))):
        opened = open_image(encoded(Image.new(mode, size), "PNG"), spec)
        assert (opened.mode, opened.size) == ("RGB", kept)


def test_pictures_that_are_averaged_before_they_lie_on_white_show_the_same() -> None:
    spec = InputSpec("data", 32, 32, "RGB", "NCHW", "squash")
    palette = photo(400, 300).quantize(16)
    for body in (
        encoded(palette, "PNG", transparency=3),
        encoded(photo(400, 300), "PNG", transparency=(9, 9, 9)),
        encoded(photo(400, 300).convert("L"), "PNG", transparency=9),
    ):
        pair = [open_image(body, each).resize((8, 8), Image.Resampling.BOX) for each in (None, spec)]
        assert max(ImageStat.Stat(ImageChops.difference(*pair)).mean) < 2


@pytest.mark.parametrize("name", ["jpeg", "png", "webp"])
def test_a_picture_is_gone_as_soon_as_nobody_needs_it(name: str) -> None:
    gc.collect()
    gc.disable()
    try:
        before = _pictures()
        for _ in range(3):
            open_image(BODIES[name], SPEC)
        assert _pictures() == before
    finally:
        gc.enable()


def _pictures() -> int:
    return sum(isinstance(each, Image.Image) for each in gc.get_objects())
