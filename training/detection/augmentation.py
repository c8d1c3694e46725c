"""Variations of a frame for training: turned, mirrored, other light, cropped, and with objects of other frames added.

Adding objects matters most for counting money: a set whose frames hold one note each never shows two side by side, and
one whose notes each have a table of their own teaches the table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageEnhance

from training.detection.boxes import area, intersection
from training.detection.frames import Frame

Random = np.random.RandomState
KEPT_SHARE_OF_A_CUT_BOX = 0.6
PLACING_ATTEMPTS = 20
EDGE_SOFTENING_PX = 2


@dataclass(frozen=True)
class Augmentation:
    mirror: bool = True
    turn: bool = True
    light: float = 0.3
    zoom: float = 0.2
    added_objects: int = 4
    added_share: float = 0.6
    object_light: float = 0.4


@dataclass(frozen=True)
class ObjectPool:
    """Objects to add, by class: (frame, index of its box). Every class is drawn equally often, rare ones too."""

    by_class: tuple[tuple[tuple[Frame, int], ...], ...]

    @classmethod
    def of(cls, frames: Sequence[Frame]) -> ObjectPool:
        found: dict[int, list[tuple[Frame, int]]] = {}
        for frame in frames:
            for index, label in enumerate(frame.classes.tolist()):
                found.setdefault(label, []).append((frame, index))
        return cls(tuple(tuple(found[label]) for label in sorted(found)))

    def draw(self, random: Random) -> tuple[Frame, int]:
        members = self.by_class[random.randint(len(self.by_class))]
        return members[random.randint(len(members))]


def augment(frame: Frame, pool: ObjectPool, settings: Augmentation, random: Random) -> Frame:
    varied = frame
    if settings.added_objects and pool.by_class and random.rand() < settings.added_share:
        varied = add_objects(varied, pool, random.randint(1, settings.added_objects + 1), random, settings.object_light)
    varied = turn(varied, int(random.randint(4))) if settings.turn and is_square(varied) else varied
    varied = mirror(varied) if settings.mirror and random.rand() < 0.5 else varied
    varied = zoom(varied, settings.zoom, random) if settings.zoom else varied
    return Frame(relight(varied.pixels, Light.of(settings.light), random), varied.classes, varied.boxes)


def is_square(frame: Frame) -> bool:
    return bool(frame.pixels.shape[0] == frame.pixels.shape[1])


def mirror(frame: Frame) -> Frame:
    boxes = frame.boxes.copy()
    boxes[:, [0, 2]] = 1.0 - frame.boxes[:, [2, 0]]
    return Frame(frame.pixels[:, ::-1], frame.classes, boxes)


def turn(frame: Frame, quarters: int) -> Frame:
    """Anticlockwise by quarters of a full turn."""
    pixels, boxes = np.rot90(frame.pixels, quarters), frame.boxes
    for _ in range(quarters % 4):
        left, top, right, bottom = boxes.T
        boxes = np.stack([top, 1.0 - right, bottom, 1.0 - left], axis=1)
    return Frame(pixels, frame.classes, boxes)


def zoom(frame: Frame, strength: float, random: Random) -> Frame:
    """Shows a window of the frame, smaller or larger than it by up to `strength`; boxes cut by more than 40% go."""
    side = random.uniform(1.0 - strength, 1.0 + strength)
    left, top = random.uniform(min(0.0, 1.0 - side), max(0.0, 1.0 - side), size=2)
    window = np.array([left, top, left + side, top + side], dtype=np.float32)
    height_px, width_px = frame.pixels.shape[:2]
    corners = window * np.array([width_px, height_px, width_px, height_px])
    picture = Image.fromarray(frame.pixels).transform(
        (width_px, height_px),
        Image.Transform.EXTENT,
        tuple(corners),
        Image.Resampling.BILINEAR,
        fill=1,
        fillcolor=tuple(int(value) for value in frame.pixels[::8, ::8].mean(axis=(0, 1))),
    )
    boxes = np.clip((frame.boxes - np.tile(window[:2], 2)) / side, 0.0, 1.0).astype(np.float32)
    kept = area(boxes) * side**2 >= KEPT_SHARE_OF_A_CUT_BOX * area(frame.boxes)
    return _hide_cut(Frame(np.asarray(picture), frame.classes, boxes), kept)


def _hide_cut(frame: Frame, kept: npt.NDArray[np.bool_]) -> Frame:
    """Paints over what is left of boxes that no longer count, so that the picture does not contradict its labels."""
    pixels = frame.pixels.copy()
    for box in frame.boxes[~kept]:
        left, top, right, bottom = box_px(box, pixels)
        pixels[top:bottom, left:right] = np.median(pixels[::8, ::8], axis=(0, 1)).astype(np.uint8)
    return Frame(pixels, frame.classes[kept], frame.boxes[kept])


@dataclass(frozen=True)
class Light:
    """How far gain and contrast (around the mean), each channel's gain, and saturation may go from 1."""

    gain: float
    contrast: float
    tint: float
    saturation: float

    @classmethod
    def of(cls, strength: float) -> Light:
        return cls(strength, strength, strength / 4, strength)


def relight(pixels: npt.NDArray[np.uint8], light: Light, random: Random) -> npt.NDArray[np.uint8]:
    """Each channel through a table, then more or less colour: what is overexposed stays clipped, as in a camera."""
    mean = float(pixels[::4, ::4].mean())
    contrast = 1.0 + random.uniform(-light.contrast, light.contrast)
    gains = 1.0 + random.uniform(-light.gain, light.gain) + random.uniform(-light.tint, light.tint, size=3)
    levels = (np.arange(256) - mean) * contrast + mean
    tables = np.clip(levels[None, :] * gains[:, None], 0, 255).astype(np.uint8)
    relit = Image.fromarray(pixels).point(tables.reshape(-1).tolist())
    return np.asarray(ImageEnhance.Color(relit).enhance(1.0 + random.uniform(-light.saturation, light.saturation)))


def add_objects(frame: Frame, pool: ObjectPool, count: int, random: Random, light: float = 0.0) -> Frame:
    """The frame with up to `count` objects of the pool pasted where they cover none of its own.

    With `light` each is lit in its own way first: an object must not be known by the light of the place it comes from.
    """
    pixels, classes, boxes = frame.pixels.copy(), list(frame.classes), list(frame.boxes)
    for _ in range(count):
        donor, chosen = pool.draw(random)
        patch = _varied_patch(_cut(donor, chosen), random)
        patch = relight(patch, Light.of(light), random) if light else patch
        box = _free_place(patch, pixels, boxes, random)
        if box is not None:
            _paste(pixels, patch, box)
            classes.append(donor.classes[chosen])
            boxes.append(box)
    return Frame(pixels, np.array(classes, dtype=np.int64), np.array(boxes, dtype=np.float32).reshape(-1, 4))


def compose_frames(frames: Sequence[Frame], count: int, most_added: int, seed: int) -> list[Frame]:
    """Frames with one to `most_added` objects of the others added, the same ones for the same seed."""
    random, pool = Random(seed), ObjectPool.of(frames)
    if not most_added or not pool.by_class:
        return []
    return [add_objects(frames[index % len(frames)], pool, 1 + index % most_added, random) for index in range(count)]


def box_px(box: npt.NDArray[np.float32], pixels: npt.NDArray[np.uint8]) -> tuple[int, int, int, int]:
    height, width = pixels.shape[:2]
    left, top = round(float(box[0]) * width), round(float(box[1]) * height)
    return left, top, max(left + 1, round(float(box[2]) * width)), max(top + 1, round(float(box[3]) * height))


def _cut(frame: Frame, index: int) -> npt.NDArray[np.uint8]:
    left, top, right, bottom = box_px(frame.boxes[index], frame.pixels)
    return frame.pixels[top:bottom, left:right]


def _varied_patch(patch: npt.NDArray[np.uint8], random: Random) -> npt.NDArray[np.uint8]:
    turned = np.rot90(patch, random.randint(4))
    scale = random.uniform(0.85, 1.15)
    size = (max(4, round(turned.shape[1] * scale)), max(4, round(turned.shape[0] * scale)))
    return np.asarray(Image.fromarray(turned).resize(size, Image.Resampling.BILINEAR))


def _free_place(
    patch: npt.NDArray[np.uint8],
    pixels: npt.NDArray[np.uint8],
    taken: Sequence[npt.NDArray[np.float32]],
    random: Random,
) -> npt.NDArray[np.float32] | None:
    height, width = pixels.shape[:2]
    patch_height, patch_width = patch.shape[:2]
    if patch_height >= height or patch_width >= width:
        return None
    for _ in range(PLACING_ATTEMPTS):
        left, top = random.randint(width - patch_width), random.randint(height - patch_height)
        corners = [left / width, top / height, (left + patch_width) / width, (top + patch_height) / height]
        box = np.array(corners, dtype=np.float32)
        if not len(taken) or intersection(box[None], np.array(taken)).max() == 0.0:
            return box
    return None


def _paste(pixels: npt.NDArray[np.uint8], patch: npt.NDArray[np.uint8], box: npt.NDArray[np.float32]) -> None:
    left, top, _, _ = box_px(box, pixels)
    height, width = patch.shape[:2]
    region = pixels[top : top + height, left : left + width]
    opacity = _soft_edges(height, width)[..., None]
    region[:] = (opacity * patch + (1.0 - opacity) * region).astype(np.uint8)


def _soft_edges(height: int, width: int) -> npt.NDArray[np.float32]:
    """1 inside, falling to 0 over the outermost pixels: a hard edge would be the easiest thing to learn."""
    down = np.minimum(np.arange(1, height + 1), np.arange(height, 0, -1)) / (EDGE_SOFTENING_PX + 1)
    across = np.minimum(np.arange(1, width + 1), np.arange(width, 0, -1)) / (EDGE_SOFTENING_PX + 1)
    return np.clip(np.minimum(down[:, None], across[None, :]), 0.0, 1.0).astype(np.float32)
