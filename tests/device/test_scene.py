from __future__ import annotations

import pytest
from PIL import Image, ImageEnhance, ImageFilter

from device.runtime.scene import measure_scene
from tests.corpus.case import photo


def test_brightness_is_the_mean_grey_level() -> None:
    assert measure_scene(Image.new("RGB", (200, 100), (40, 40, 40))).brightness == pytest.approx(40)


def test_contrast_is_the_spread_of_the_grey_levels() -> None:
    image = Image.new("RGB", (192, 192))
    image.paste((200, 200, 200), (0, 0, 96, 192))
    assert measure_scene(image).contrast == pytest.approx(100, abs=0.1)
    assert measure_scene(Image.new("RGB", (64, 64), (9, 9, 9))).contrast == 0


def test_a_darker_photo_measures_darker() -> None:
    dark = ImageEnhance.Brightness(photo()).enhance(0.3)
    assert measure_scene(dark).brightness == pytest.approx(0.3 * measure_scene(photo()).brightness, rel=0.05)


def test_a_blurred_photo_measures_less_sharp() -> None:
    sharp = photo(640, 480)
    soft = sharp.filter(ImageFilter.GaussianBlur(12))
    assert measure_scene(soft).sharpness < 0.3 * measure_scene(sharp).sharpness


def test_sharpness_is_the_variance_of_the_laplacian() -> None:
    board = Image.new("L", (96, 96), 100)
    for y in range(96):
        for x in range(y % 2, 96, 2):
            board.putpixel((x, y), 110)
    assert measure_scene(board.convert("RGB")).sharpness == pytest.approx(40**2, rel=0.01)


def test_one_scene_measures_alike_at_any_size() -> None:
    small, large = measure_scene(photo(400, 300)), measure_scene(photo(1600, 1200))
    assert large.brightness == pytest.approx(small.brightness, rel=0.02)
    assert large.contrast == pytest.approx(small.contrast, rel=0.03)
    assert large.sharpness == pytest.approx(small.sharpness, rel=0.15)
    assert large.fill == pytest.approx(small.fill, abs=0.02)


def test_aspect_is_width_over_height() -> None:
    assert measure_scene(Image.new("RGB", (400, 100))).aspect == 4


def test_fill_is_the_share_that_is_unlike_the_border() -> None:
    image = Image.new("RGB", (192, 192), (250, 250, 250))
    assert measure_scene(image).fill == 0
    image.paste((20, 90, 20), (48, 48, 144, 144))
    assert measure_scene(image).fill == pytest.approx(0.25, abs=0.01)


def test_a_measurement_is_written_with_few_digits() -> None:
    written = measure_scene(photo()).to_json()
    assert set(written) == {"brightness", "contrast", "sharpness", "aspect", "fill"}
    assert written["aspect"] == pytest.approx(4 / 3, abs=1e-4)
