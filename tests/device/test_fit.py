from __future__ import annotations

from typing import Tuple

import pytest
from PIL import Image

from device.runtime.fit import fit_image, place
from device.runtime.manifest import InputSpec

GREY = (128, 128, 128)
SIZES = [(400, 300), (300, 400), (224, 224), (2688, 1520), (33, 999)]
INPUTS = [(96, 96), (224, 160), (64, 128)]


def spec(fit: str, width: int = 96, height: int = 96) -> InputSpec:
    return InputSpec("data", width, height, "RGB", "NCHW", fit)


def marked(size: Tuple[int, int], box: Tuple[float, float, float, float]) -> Image.Image:
    """White, with a red block at the given shares of width and height."""
    image = Image.new("RGB", size, (255, 255, 255))
    width, height = size
    image.paste((255, 0, 0), tuple(round(side) for side in
                                   (box[0] * width, box[1] * height, box[2] * width, box[3] * height)))  # fmt: skip
    return image


def red_box(image: Image.Image) -> Tuple[float, float, float, float]:
    """Where the red block lies, in shares."""
    red, green, _ = image.split()
    mask = green.point(lambda level: 255 if level < 64 else 0)
    bright = red.point(lambda level: 255 if level > 190 else 0)
    left, top, right, bottom = Image.composite(mask, Image.new("L", image.size), bright).getbbox() or (0, 0, 0, 0)
    return left / image.width, top / image.height, right / image.width, bottom / image.height


@pytest.mark.parametrize("fit", ["squash", "crop", "letterbox"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("sides", INPUTS)
def test_the_picture_has_the_size_of_the_input(fit: str, size: Tuple[int, int], sides: Tuple[int, int]) -> None:
    fitted = fit_image(Image.new("RGB", size, (1, 2, 3)), spec(fit, *sides))
    assert fitted.size == sides
    assert fitted.mode == "RGB"


@pytest.mark.parametrize("fit", ["squash", "crop", "letterbox"])
@pytest.mark.parametrize("size", [(400, 300), (300, 400), (640, 640)])
@pytest.mark.parametrize("sides", INPUTS)
def test_a_box_seen_in_the_input_is_found_in_the_photo(fit: str, size: Tuple[int, int], sides: Tuple[int, int]) -> None:
    true_box = (0.4, 0.35, 0.6, 0.65)
    target = spec(fit, *sides)
    seen = red_box(fit_image(marked(size, true_box), target))
    found = place(size, target).to_photo(seen)
    pixel = 2.5 / min(sides)
    assert found == pytest.approx(true_box, abs=pixel)


@pytest.mark.parametrize("fit", ["squash", "crop", "letterbox"])
@pytest.mark.parametrize("size", SIZES)
def test_there_and_back_is_where_it_began(fit: str, size: Tuple[int, int]) -> None:
    placement = place(size, spec(fit, 96, 64))
    box = (0.45, 0.49, 0.55, 0.51)
    assert placement.to_photo(placement.to_input(box)) == pytest.approx(box)


def test_squash_keeps_shares() -> None:
    assert place((1000, 10), spec("squash")).to_photo((0.1, 0.2, 0.3, 0.4)) == (0.1, 0.2, 0.3, 0.4)


def test_crop_keeps_the_middle_of_the_longer_side() -> None:
    assert place((400, 300), spec("crop")).photo == pytest.approx((0.125, 0, 0.875, 1))
    assert place((300, 400), spec("crop")).photo == pytest.approx((0, 0.125, 1, 0.875))


def test_letterbox_pads_the_shorter_side_with_grey() -> None:
    fitted = fit_image(Image.new("RGB", (400, 200), (255, 255, 255)), spec("letterbox"))
    assert fitted.getpixel((48, 23)) == GREY
    assert fitted.getpixel((48, 24)) == (255, 255, 255)
    assert fitted.getpixel((48, 71)) == (255, 255, 255)
    assert fitted.getpixel((48, 72)) == GREY


def test_a_box_that_reaches_into_the_padding_is_clipped_to_the_photo() -> None:
    placement = place((400, 200), spec("letterbox"))
    assert placement.to_photo((0.0, 0.0, 1.0, 0.5)) == pytest.approx((0.0, 0.0, 1.0, 0.5))


def test_what_is_cropped_away_lies_outside_of_the_input() -> None:
    left = place((400, 300), spec("crop")).to_input((0.0, 0.0, 0.1, 1.0))
    assert left[2] < 0


def test_shrinking_averages_instead_of_picking_pixels() -> None:
    stripes = Image.new("RGB", (960, 960), (0, 0, 0))
    for x in range(0, 960, 2):
        stripes.paste((255, 255, 255), (x, 0, x + 1, 960))
    low, high = fit_image(stripes, spec("squash")).convert("L").getextrema()
    assert 120 <= low <= high <= 135


def test_a_picture_of_the_right_size_is_left_alone() -> None:
    image = Image.effect_noise((96, 96), 50).convert("RGB")
    assert fit_image(image, spec("squash")).tobytes() == image.tobytes()


def test_one_picture_is_fitted_to_the_same_bytes_every_time() -> None:
    image = Image.effect_noise((500, 300), 50).convert("RGB")
    assert fit_image(image, spec("crop")).tobytes() == fit_image(image, spec("crop")).tobytes()
