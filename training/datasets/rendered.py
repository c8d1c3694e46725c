"""Photos of waste that never was: rendered with Pillow, the same again for the same seed, for a demo without data."""

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from training.progress import Progress

Rng = np.random.Generator
Colour = tuple[int, int, int]
Point = tuple[float, float]


@dataclass(frozen=True)
class Brush:
    """Draws in a square of one unit, on a transparent canvas of `side` pixels."""

    draw: ImageDraw.ImageDraw
    side: int

    def polygon(self, points: list[Point], fill: Colour, outline: Colour | None = None) -> None:
        self.draw.polygon([(x * self.side, y * self.side) for x, y in points], fill=fill, outline=outline)

    def ellipse(self, left: float, top: float, right: float, bottom: float, fill: Colour) -> None:
        self.draw.ellipse([value * self.side for value in (left, top, right, bottom)], fill=fill)

    def line(self, points: list[Point], fill: Colour, width: float) -> None:
        self.draw.line(
            [(x * self.side, y * self.side) for x, y in points], fill=fill, width=max(1, round(width * self.side))
        )


def _vary(colour: Colour, rng: Rng, spread: int = 22) -> Colour:
    red, green, blue = (min(255, max(0, part + int(rng.integers(-spread, spread + 1)))) for part in colour)
    return red, green, blue


def _shade(colour: Colour, factor: float) -> Colour:
    red, green, blue = (int(min(255, part * factor)) for part in colour)
    return red, green, blue


def _pick(options: tuple[Colour, ...], rng: Rng) -> Colour:
    return _vary(options[int(rng.integers(len(options)))], rng)


def _blob(rng: Rng, x: float, y: float, radius: float, roughness: float, corners: int = 26) -> list[Point]:
    phases = rng.uniform(0, 2 * math.pi, 4)
    points = []
    for corner in range(corners):
        angle = 2 * math.pi * corner / corners
        wave = sum(math.sin((n + 2) * angle + phase) / (n + 2) for n, phase in enumerate(phases))
        reach = radius * (1 + roughness * wave)
        points.append((x + reach * math.cos(angle), y + reach * math.sin(angle)))
    return points


LEAF_GREENS: tuple[Colour, ...] = ((88, 130, 48), (60, 104, 44), (140, 150, 60))
PEELS: tuple[Colour, ...] = ((224, 140, 40), (232, 200, 70), (170, 60, 44), (120, 84, 50), (196, 170, 120))


def leaf(brush: Brush, rng: Rng) -> None:
    colour = _pick(LEAF_GREENS, rng)
    for _ in range(int(rng.integers(1, 4))):
        x, y = rng.uniform(0.38, 0.62, 2)
        angle, length, width = rng.uniform(0, math.pi), rng.uniform(0.2, 0.36), rng.uniform(0.08, 0.16)
        along, across = (math.cos(angle), math.sin(angle)), (-math.sin(angle), math.cos(angle))
        edge = [(t, width * math.sin(math.pi * (t + 1) / 2)) for t in np.linspace(-1, 1, 14)]
        outline = [
            (x + along[0] * t * length + across[0] * w, y + along[1] * t * length + across[1] * w) for t, w in edge
        ]
        outline += [
            (x + along[0] * t * length - across[0] * w, y + along[1] * t * length - across[1] * w)
            for t, w in edge[::-1]
        ]
        brush.polygon(outline, _vary(colour, rng))
        ends = [(x - along[0] * length, y - along[1] * length), (x + along[0] * length, y + along[1] * length)]
        brush.line(ends, _shade(colour, 0.7), 0.012)


def peel(brush: Brush, rng: Rng) -> None:
    colour = _pick(PEELS, rng)
    for _ in range(int(rng.integers(1, 4))):
        x, y = rng.uniform(0.36, 0.64, 2)
        radius = rng.uniform(0.12, 0.24)
        brush.polygon(_blob(rng, x, y, radius, 0.5), colour)
        brush.polygon(_blob(rng, x + 0.02, y + 0.02, radius * 0.6, 0.5), _shade(colour, rng.uniform(0.75, 1.2)))
    for x, y in rng.uniform(0.36, 0.64, (int(rng.integers(3, 9)), 2)):
        brush.ellipse(x, y, x + 0.02, y + 0.02, _shade(colour, 0.55))


def wrapper(brush: Brush, rng: Rng) -> None:
    """A torn, shiny, many-coloured snack bag."""
    width, height, zig = rng.uniform(0.2, 0.32), rng.uniform(0.24, 0.4), 9
    xs = np.linspace(0.5 - width, 0.5 + width, zig)
    top = [(float(x), 0.5 - height + 0.03 * (i % 2)) for i, x in enumerate(xs)]
    bottom = [(float(x), 0.5 + height - 0.03 * (i % 2)) for i, x in enumerate(xs)]
    colour = _vary((int(rng.integers(256)), int(rng.integers(120)), int(rng.integers(256))), rng)
    brush.polygon(top + bottom[::-1], colour)
    for stripe in rng.uniform(-height * 0.8, height * 0.8, int(rng.integers(2, 5))):
        bright = _vary((250, 220, int(rng.integers(256))), rng)
        brush.line([(0.5 - width, 0.5 + stripe), (0.5 + width, 0.5 + stripe * 0.7)], bright, rng.uniform(0.02, 0.07))
    for x in rng.uniform(0.5 - width, 0.5 + width, int(rng.integers(3, 7))):
        brush.line([(x, 0.5 - height), (x + rng.uniform(-0.1, 0.1), 0.5 + height)], (235, 235, 240), 0.01)


def crumpled_foil(brush: Brush, rng: Rng) -> None:
    """A ball of foil or used film: grey facets."""
    outline = _blob(rng, 0.5, 0.5, rng.uniform(0.2, 0.34), 0.35, corners=14)
    base = _vary((170, 170, 178), rng)
    for first, second in zip(outline, outline[1:] + outline[:1], strict=True):
        middle = (0.5 + float(rng.uniform(-0.08, 0.08)), 0.5 + float(rng.uniform(-0.08, 0.08)))
        brush.polygon([first, second, middle], _shade(base, float(rng.uniform(0.55, 1.4))))


def bottle(brush: Brush, rng: Rng) -> None:
    colour = _pick(((70, 130, 90), (120, 170, 200), (200, 215, 220), (130, 80, 40)), rng)
    half, neck, top, bottom = (
        rng.uniform(0.09, 0.14),
        rng.uniform(0.03, 0.05),
        rng.uniform(0.1, 0.18),
        rng.uniform(0.8, 0.9),
    )
    shoulder = top + rng.uniform(0.16, 0.24)
    left = [(0.5 - neck, top), (0.5 - neck, shoulder - 0.08), (0.5 - half, shoulder), (0.5 - half, bottom)]
    brush.polygon(left + [(1 - x, y) for x, y in left[::-1]], colour)
    brush.line([(0.5 - half * 0.5, shoulder), (0.5 - half * 0.5, bottom - 0.04)], _shade(colour, 1.4), 0.025)
    brush.polygon(_box(0.5 - neck * 1.2, top - 0.05, 0.5 + neck * 1.2, top), _vary((210, 60, 50), rng, 90))
    if rng.random() < 0.6:
        brush.polygon(_box(0.5 - half, shoulder + 0.08, 0.5 + half, shoulder + 0.28), _vary((230, 225, 210), rng))


def can(brush: Brush, rng: Rng) -> None:
    colour, half, height = (
        _pick(((190, 40, 40), (40, 80, 170), (185, 188, 192)), rng),
        rng.uniform(0.13, 0.18),
        rng.uniform(0.22, 0.3),
    )
    brush.polygon(_box(0.5 - half, 0.5 - height, 0.5 + half, 0.5 + height), colour)
    brush.ellipse(0.5 - half, 0.5 + height - 0.05, 0.5 + half, 0.5 + height + 0.05, _shade(colour, 0.8))
    brush.ellipse(0.5 - half, 0.5 - height - 0.05, 0.5 + half, 0.5 - height + 0.05, (205, 208, 212))
    brush.ellipse(0.5 - half * 0.6, 0.5 - height - 0.03, 0.5 + half * 0.6, 0.5 - height + 0.03, (150, 154, 160))
    brush.line([(0.5 - half * 0.5, 0.5 - height + 0.06), (0.5 - half * 0.5, 0.5 + height)], _shade(colour, 1.5), 0.02)


def cardboard(brush: Brush, rng: Rng) -> None:
    colour = _vary((176, 134, 88), rng)
    width, height, depth = rng.uniform(0.18, 0.3), rng.uniform(0.16, 0.28), rng.uniform(0.08, 0.14)
    left, right, top, bottom = 0.5 - width, 0.5 + width, 0.5 - height, 0.5 + height
    brush.polygon(_box(left, top, right, bottom), colour)
    brush.polygon(
        [(left, top), (left + depth, top - depth), (right + depth, top - depth), (right, top)], _shade(colour, 1.2)
    )
    lid = [(right, top), (right + depth, top - depth), (right + depth, bottom - depth), (right, bottom)]
    brush.polygon(lid, _shade(colour, 0.75))
    brush.line([((left + right) / 2, top), ((left + right) / 2, bottom)], _shade(colour, 1.25), 0.03)


def newspaper(brush: Brush, rng: Rng) -> None:
    width, height = rng.uniform(0.22, 0.34), rng.uniform(0.26, 0.36)
    brush.polygon(_box(0.5 - width, 0.5 - height, 0.5 + width, 0.5 + height), _vary((226, 224, 214), rng, 10))
    for y in np.arange(0.5 - height + 0.05, 0.5 + height - 0.03, 0.045):
        brush.line([(0.5 - width + 0.03, y), (0.5 + width * rng.uniform(0.3, 0.9), y)], (96, 96, 98), 0.014)


def _box(left: float, top: float, right: float, bottom: float) -> list[Point]:
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


WASTE: dict[str, tuple[Callable[[Brush, Rng], None], ...]] = {
    "compost": (leaf, peel),
    "landfill": (wrapper, crumpled_foil),
    "recycling": (bottle, can, cardboard, newspaper),
}
BOARDS: tuple[Colour, ...] = ((205, 202, 196), (170, 160, 150), (120, 124, 130), (150, 120, 92), (222, 222, 226))


def render_waste(label: str, rng: Rng, side: int = 128) -> Image.Image:
    """One photo (side x side, RGB) of a thing of this class, somewhere on a board, in some light."""
    things = WASTE[label]
    photo = _board(rng, side)
    thing = Image.new("RGBA", (side, side), (0, 0, 0, 0))
    things[int(rng.integers(len(things)))](Brush(ImageDraw.Draw(thing), side), rng)
    scale, turn = rng.uniform(0.7, 1.05), float(rng.uniform(0, 360))
    thing = thing.resize((round(side * scale), round(side * scale))).rotate(
        turn, Image.Resampling.BILINEAR, expand=True
    )
    place = [int((side - thing.width) / 2 + rng.uniform(-0.1, 0.1) * side) for _ in range(2)]
    shadow = Image.new("RGBA", thing.size, (20, 18, 16, 0))
    shadow.putalpha(thing.getchannel("A").point(lambda alpha: alpha * 2 // 5).filter(ImageFilter.GaussianBlur(3)))
    photo.paste(shadow, (place[0] + side // 24, place[1] + side // 24), shadow)
    photo.paste(thing, (place[0], place[1]), thing)
    return _light(photo, rng)


def _board(rng: Rng, side: int) -> Image.Image:
    colour = np.array(_pick(BOARDS, rng), dtype=np.float32)
    slope = rng.uniform(-25, 25, 2)
    rows, columns = np.linspace(-1, 1, side)[:, None], np.linspace(-1, 1, side)[None, :]
    light = slope[0] * rows + slope[1] * columns
    if rng.random() < 0.3:
        light = light + rng.uniform(4, 14) * np.sin(columns * rng.uniform(5, 30) + rows)
    pixels = colour + light[:, :, None]
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def _light(photo: Image.Image, rng: Rng) -> Image.Image:
    if rng.random() < 0.4:
        photo = photo.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.3, 0.9))))
    pixels = np.asarray(photo, dtype=np.float32) * rng.uniform(0.75, 1.15)
    noise = rng.standard_normal((photo.height, photo.width, 1), dtype=np.float32) * rng.uniform(2, 7)
    return Image.fromarray(np.clip(pixels + noise, 0, 255).astype(np.uint8))


def write_rendered_waste(folder: Path, per_label: int, seed: int = 0, side: int = 128) -> Path:
    """A folder per class with `per_label` JPEGs each; the same bytes again for the same seed."""
    names = [(label, number) for label in WASTE for number in range(per_label)]
    for label in WASTE:
        (folder / label).mkdir(parents=True, exist_ok=True)

    def write(name: tuple[str, int]) -> None:
        label, number = name
        rng = np.random.default_rng([seed, list(WASTE).index(label), number])
        render_waste(label, rng, side).save(folder / label / f"{label}-{number:05d}.jpg", quality=90)

    progress = Progress("rendering", len(names), "photos")
    with ThreadPoolExecutor(2) as pool:
        for _ in pool.map(write, names):
            progress.advance(1)
    return folder
