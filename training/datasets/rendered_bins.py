"""Storage bins with 0 to 5 objects in them, rendered: something to train and try counting on that is all ours.

The same seed gives the same pictures. Written like the real set: `labels.csv` and images/<id>, ids as strings.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from training.progress import Progress

SUPERSAMPLING = 2
MOST_OBJECTS = 5
PLACING_ATTEMPTS = 40
Box = tuple[float, float, float, float]


def render_bin(seed: int, objects: int, size_px: int = 96) -> Image.Image:
    """A bin seen from the front with exactly `objects` boxes, bottles and balls, behind a net of bands."""
    random = np.random.RandomState(seed)
    side = size_px * SUPERSAMPLING
    canvas = _empty_bin(side, random)
    draw = ImageDraw.Draw(canvas)
    placed: list[Box] = []
    for _ in range(objects):
        box = _place(placed, random)
        placed.append(box)
        _draw_object(draw, box, side, random)
    _draw_bands(canvas, random)
    small = canvas.filter(ImageFilter.GaussianBlur(0.4 * SUPERSAMPLING)).resize(
        (size_px, size_px), Image.Resampling.BOX
    )
    pixels = np.asarray(small, dtype=np.float32) + random.normal(0.0, 3.0, size=(size_px, size_px, 3))
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def write_rendered_bins(
    folder: Path, photos: int, seed: int = 0, size_px: int = 96, most_objects: int = MOST_OBJECTS
) -> Path:
    """`photos` bins with 0 to `most_objects` objects, each count equally often; the path of their labels.csv."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    labels = folder / "labels.csv"
    with labels.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "expected_quantity"])
        progress = Progress("rendering", photos, "photos")
        for index in range(photos):
            name, objects = f"{index:05d}", index % (most_objects + 1)
            render_bin(seed * 1_000_003 + index, objects, size_px).save(folder / "images" / f"{name}.png")
            writer.writerow([name, objects])
            progress.advance(1)
    return labels


def _empty_bin(side: int, random: np.random.RandomState) -> Image.Image:
    """Yellowish fabric, darker towards the back, a lighter lip below."""
    fabric = np.array([200.0, 172.0, 96.0]) * random.uniform(0.75, 1.1) + random.uniform(-12, 12, size=3)
    down = np.linspace(0.75, 1.0, side)[:, None, None]
    canvas = Image.fromarray(np.clip(np.broadcast_to(fabric * down, (side, side, 3)), 0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(canvas)
    lip = tuple(int(min(255, value * 1.15)) for value in fabric)
    draw.rectangle([0, int(side * 0.93), side, side], fill=lip)
    inner = tuple(int(value * 0.6) for value in fabric)
    draw.rectangle([0, 0, int(side * 0.03), side], fill=inner)
    draw.rectangle([int(side * 0.97), 0, side, side], fill=inner)
    return canvas


def _place(placed: list[Box], random: np.random.RandomState) -> Box:
    """Standing on the floor or on a shelf; covers others as little as forty attempts find."""
    best: Box | None = None
    least = np.inf
    for _ in range(PLACING_ATTEMPTS):
        width, height = random.uniform(0.13, 0.24), random.uniform(0.18, 0.36)
        left, bottom = random.uniform(0.04, 0.96 - width), random.choice([0.92, random.uniform(0.45, 0.92)])
        box = (float(left), float(bottom - height), float(left + width), float(bottom))
        covered = sum(_shared(box, other) for other in placed)
        if covered < least:
            best, least = box, covered
    assert best is not None
    return best


def _shared(first: Box, second: Box) -> float:
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    return max(0.0, width) * max(0.0, height)


def _draw_object(draw: ImageDraw.ImageDraw, box: Box, side: int, random: np.random.RandomState) -> None:
    colour = tuple(int(value) for value in random.uniform(30, 235, size=3))
    dark = tuple(int(value * 0.5) for value in colour)
    left, top, right, bottom = (value * side for value in box)
    line = max(1, side // 96)
    kind = random.randint(3)
    if kind == 0:
        draw.rectangle([left, top, right, bottom], fill=colour, outline=dark, width=line)
        label = tuple(255 - value // 3 for value in colour)
        draw.rectangle(
            [left * 0.7 + right * 0.3, top * 0.6 + bottom * 0.4, left * 0.3 + right * 0.7, top * 0.4 + bottom * 0.6],
            fill=label,
        )
    elif kind == 1:
        neck = (right - left) * 0.3
        draw.rectangle([left + neck, top, right - neck, bottom], fill=dark)
        draw.rounded_rectangle(
            [left, top * 0.7 + bottom * 0.3, right, bottom], radius=neck, fill=colour, outline=dark, width=line
        )
    else:
        draw.ellipse([left, top, right, bottom], fill=colour, outline=dark, width=line)


def _draw_bands(canvas: Image.Image, random: np.random.RandomState) -> None:
    """Thin translucent elastic bands across the front, as real bins have them."""
    side = canvas.width
    bands = Image.new("RGBA", canvas.size, (0, 0, 0, 0))
    draw = ImageDraw.Draw(bands)
    for height in np.linspace(0.15, 0.85, int(random.randint(3, 7))):
        y = (height + random.uniform(-0.02, 0.02)) * side
        draw.line(
            [0, y, side, y + random.uniform(-0.03, 0.03) * side], fill=(225, 220, 205, 110), width=max(1, side // 96)
        )
    canvas.paste(bands, (0, 0), bands)
