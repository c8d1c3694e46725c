"""Random views of a training photo: one affine map (crop, zoom, turn, flip), then light and colour."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Photos = NDArray[np.uint8]  # (n, side, side, 3)
Pixels = NDArray[np.float32]  # (n, 3, size, size), 0-255

STORED_LARGER = 1.25  # photos are kept a quarter larger than the network's input, so that zooming in stays sharp


@dataclass(frozen=True)
class Augmentation:
    strength: float = 1.0
    flip: str = "horizontal"
    zoom: tuple[float, float] = (0.75, 1.15)
    shift: float = 0.12
    turn_degrees: float = 15.0
    stretch: float = 0.15
    brightness: float = 0.3
    contrast: float = 0.3
    tint: float = 0.12
    saturation: float = 0.4


def random_views(photos: Photos, size: int, augmentation: Augmentation, rng: np.random.Generator) -> Pixels:
    """Each photo (side, side, 3) seen once, at random, as (3, size, size) in 0-255."""
    views = np.empty((len(photos), 3, size, size), dtype=np.float32)
    for index, photo in enumerate(photos):
        view = _random_map(Image.fromarray(photo), size, augmentation, rng)
        views[index] = np.asarray(view, dtype=np.uint8).transpose(2, 0, 1)
    return random_light(views, augmentation, rng)


def _random_map(photo: Image.Image, size: int, augmentation: Augmentation, rng: np.random.Generator) -> Image.Image:
    strength = augmentation.strength
    zoom = 1 + strength * (rng.uniform(*augmentation.zoom) - 1)
    stretch = math.exp(strength * rng.uniform(-augmentation.stretch, augmentation.stretch) / 2)
    turn = math.radians(strength * rng.uniform(-augmentation.turn_degrees, augmentation.turn_degrees))
    if augmentation.flip == "any":
        turn += math.pi / 2 * int(rng.integers(4))
    mirrored = -1 if augmentation.flip != "none" and rng.random() < 0.5 else 1
    scale = photo.width / size * zoom
    xx, xy = scale * stretch * math.cos(turn) * mirrored, -scale * stretch * math.sin(turn)
    yx, yy = scale / stretch * math.sin(turn) * mirrored, scale / stretch * math.cos(turn)
    shift_x, shift_y = strength * augmentation.shift * photo.width * rng.uniform(-1, 1, 2)
    x0 = photo.width / 2 + shift_x - (xx + xy) * size / 2
    y0 = photo.height / 2 + shift_y - (yx + yy) * size / 2
    coefficients = (xx, xy, x0, yx, yy, y0)
    return photo.transform(
        (size, size), Image.Transform.AFFINE, coefficients, Image.Resampling.BILINEAR, fillcolor=_border_colour(photo)
    )


def _border_colour(photo: Image.Image) -> tuple[int, ...]:
    """What lies beyond the edge is most likely more of what lies at the edge."""
    side = photo.width - 1
    corners = [photo.getpixel(place) for place in ((0, 0), (side, 0), (0, side), (side, side))]
    return tuple(int(sum(values) / 4) for values in zip(*corners, strict=True))


def random_light(views: Pixels, augmentation: Augmentation, rng: np.random.Generator) -> Pixels:
    count, strength = len(views), augmentation.strength
    if strength == 0:
        return views

    def around_one(spread: float, *shape: int) -> Pixels:
        return rng.uniform(1 - strength * spread, 1 + strength * spread, (count, *shape, 1, 1)).astype(np.float32)

    grey = views.mean(axis=1, keepdims=True)
    mean = grey.mean(axis=(2, 3), keepdims=True)
    saturation, contrast = around_one(augmentation.saturation, 1), around_one(augmentation.contrast, 1)
    gain = around_one(augmentation.brightness, 1) * around_one(augmentation.tint, 3)
    views = (grey + (views - grey) * saturation - mean) * contrast + mean
    return np.clip(views * gain, 0, 255, out=views)


def mix_up(
    views: NDArray[np.float32], targets: NDArray[np.float32], alpha: float, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Each sample blended with another of the batch, its target likewise."""
    if alpha <= 0:
        return views, targets
    share = rng.beta(alpha, alpha, len(views)).astype(np.float32)
    order = rng.permutation(len(views))
    wide = share.reshape(-1, *[1] * (views.ndim - 1))
    narrow = share.reshape(-1, *[1] * (targets.ndim - 1))
    return views * wide + views[order] * (1 - wide), targets * narrow + targets[order] * (1 - narrow)
