from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from device.runtime.manifest import InputSpec
from device.runtime.tensor import frame_to_image, to_tensor


def spec(color_order: str = "RGB", layout: str = "NCHW") -> InputSpec:
    return InputSpec("data", 40, 32, color_order, layout, "squash")


def picture() -> Image.Image:
    image = Image.new("RGB", (40, 32), (10, 20, 30))
    image.putpixel((7, 3), (200, 100, 50))
    return image


def test_the_numbers_are_raw_and_in_the_order_of_the_manifest() -> None:
    tensor = to_tensor(picture(), spec())
    assert tensor.shape == (1, 3, 32, 40)
    assert tensor.dtype == np.float32
    assert tensor[0, :, 3, 7].tolist() == [200, 100, 50]
    assert tensor[0, :, 0, 0].tolist() == [10, 20, 30]


def test_bgr_turns_the_colours_round() -> None:
    assert to_tensor(picture(), spec("BGR"))[0, :, 3, 7].tolist() == [50, 100, 200]


def test_nhwc_has_the_colours_last() -> None:
    tensor = to_tensor(picture(), spec("BGR", "NHWC"))
    assert tensor.shape == (1, 32, 40, 3)
    assert tensor[0, 3, 7].tolist() == [50, 100, 200]


def test_the_memory_is_contiguous_for_the_engines() -> None:
    assert to_tensor(picture(), spec("BGR")).flags["C_CONTIGUOUS"]


def test_a_picture_that_was_not_fitted_is_refused() -> None:
    with pytest.raises(ValueError, match="needs RGB 40 x 32"):
        to_tensor(picture().resize((41, 32)), spec())


def test_a_camera_frame_is_bgr() -> None:
    frame = np.zeros((4, 6, 3), dtype=np.uint8)
    frame[1, 2] = (1, 2, 3)
    assert frame_to_image(frame).getpixel((2, 1)) == (3, 2, 1)
    assert frame_to_image(frame, "RGB").getpixel((2, 1)) == (1, 2, 3)


@pytest.mark.parametrize(
    "frame",
    [
        np.zeros((4, 6), dtype=np.uint8),
        np.zeros((4, 6, 4), dtype=np.uint8),
        np.zeros((4, 6, 3), dtype=np.float32),
    ],
)
def test_what_is_no_frame_is_refused(frame: Any) -> None:
    with pytest.raises(ValueError, match="a frame is uint8"):
        frame_to_image(frame)
