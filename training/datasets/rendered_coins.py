"""Tables with coins on them, rendered with their boxes: something to train and try the detector on that is all ours.

The same seed gives the same pictures. Written as a SageMaker augmented manifest, like real frames.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from training.progress import Progress

SUPERSAMPLING = 3
ATTRIBUTE = "coins"
PLACING_ATTEMPTS = 60
GAP_SHARE = 0.01


@dataclass(frozen=True)
class Coin:
    name: str
    value: float
    radius_share: float
    rim: tuple[int, int, int]
    face: tuple[int, int, int]


COINS = (
    Coin("one", 1.0, 0.085, (150, 78, 40), (196, 116, 66)),
    Coin("two", 2.0, 0.105, (140, 142, 148), (196, 200, 206)),
    Coin("five", 5.0, 0.125, (196, 198, 200), (214, 176, 64)),
)


@dataclass(frozen=True)
class RenderedTable:
    """rows: class, left, top, right, bottom in 0-1 of the picture."""

    picture: Image.Image
    rows: tuple[tuple[float, float, float, float, float], ...]


def render_table(seed: int, coins: int, size_px: int = 96) -> RenderedTable:
    """A square picture with up to `coins` coins (fewer where no room is left), none covering another."""
    random = np.random.RandomState(seed)
    canvas = _table(size_px * SUPERSAMPLING, random)
    rows: list[tuple[float, float, float, float, float]] = []
    for _ in range(coins):
        kind = int(random.randint(len(COINS)))
        radius = COINS[kind].radius_share * random.uniform(0.9, 1.1)
        place = _free_place(rows, radius, random)
        if place is not None:
            x, y = place
            _draw_coin(canvas, COINS[kind], x, y, radius, random)
            rows.append((float(kind), x - radius, y - radius, x + radius, y + radius))
    blurred = canvas.filter(ImageFilter.GaussianBlur(random.uniform(0.3, 0.5) * SUPERSAMPLING))
    picture = blurred.resize((size_px, size_px), Image.Resampling.BOX)
    return RenderedTable(_with_noise(picture, random), tuple(rows))


def write_rendered_coins(folder: Path, tables: int, seed: int = 0, most_coins: int = 5, size_px: int = 96) -> Path:
    """`tables` pictures with 0 to `most_coins` coins in `folder`/images; the path of their annotations.manifest."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    lines = []
    progress = Progress("rendering", tables, "tables")
    for index in range(tables):
        table = render_table(seed * 1_000_003 + index, index % (most_coins + 1), size_px)
        name = f"images/table_{index:05d}.png"
        table.picture.save(folder / name)
        lines.append(json.dumps(manifest_line(name, table)))
        progress.advance(1)
    manifest = folder / "annotations.manifest"
    manifest.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return manifest


def coin_values() -> dict[str, float]:
    return {coin.name: coin.value for coin in COINS}


def manifest_line(name: str, table: RenderedTable) -> dict[str, object]:
    width_px, height_px = table.picture.size
    return {
        "source-ref": name,
        ATTRIBUTE: {
            "image_size": [{"width": width_px, "height": height_px, "depth": 3}],
            "annotations": [_annotation(row, width_px, height_px) for row in table.rows],
        },
        f"{ATTRIBUTE}-metadata": {
            "class-map": {str(index): coin.name for index, coin in enumerate(COINS)},
            "type": "groundtruth/object-detection",
            "human-annotated": "no",
        },
    }


def _annotation(row: tuple[float, float, float, float, float], width_px: int, height_px: int) -> dict[str, int]:
    left, top = round(row[1] * width_px), round(row[2] * height_px)
    return {
        "class_id": int(row[0]),
        "left": left,
        "top": top,
        "width": round(row[3] * width_px) - left,
        "height": round(row[4] * height_px) - top,
    }


def _table(size_px: int, random: np.random.RandomState) -> Image.Image:
    """A tinted plane with a grain, lit from one side."""
    tint = random.uniform(60, 150) * random.uniform(0.8, 1.2, size=3)
    across, down = np.meshgrid(np.linspace(-1, 1, size_px), np.linspace(-1, 1, size_px))
    angle = random.uniform(0, 2 * np.pi)
    light = 1.0 + 0.2 * (np.cos(angle) * across + np.sin(angle) * down)
    grain = 1.0 + 0.06 * np.sin(
        random.uniform(10, 40) * (across * np.sin(angle) - down * np.cos(angle)) + random.rand()
    )
    plane = tint[None, None, :] * (light * grain)[..., None]
    return Image.fromarray(np.clip(plane, 0, 255).astype(np.uint8))


def _free_place(
    rows: list[tuple[float, float, float, float, float]], radius: float, random: np.random.RandomState
) -> tuple[float, float] | None:
    for _ in range(PLACING_ATTEMPTS):
        x, y = random.uniform(radius + GAP_SHARE, 1.0 - radius - GAP_SHARE, size=2)
        if all(
            np.hypot(x - (row[1] + row[3]) / 2, y - (row[2] + row[4]) / 2) > radius + (row[3] - row[1]) / 2 + GAP_SHARE
            for row in rows
        ):
            return float(x), float(y)
    return None


def _draw_coin(
    canvas: Image.Image, coin: Coin, x: float, y: float, radius: float, random: np.random.RandomState
) -> None:
    draw, side = ImageDraw.Draw(canvas), canvas.width
    light = random.uniform(0.85, 1.1)
    for colour, share in ((coin.rim, 1.0), (coin.face, 0.76)):
        reach = radius * share
        draw.ellipse(
            [(x - reach) * side, (y - reach) * side, (x + reach) * side, (y + reach) * side],
            fill=tuple(min(255, int(value * light)) for value in colour),
        )
    _draw_relief(draw, coin, x * side, y * side, radius * side, light, random)


def _draw_relief(
    draw: ImageDraw.ImageDraw,
    coin: Coin,
    x: float,
    y: float,
    radius: float,
    light: float,
    random: np.random.RandomState,
) -> None:
    """As many strokes as the coin is worth, turned at random."""
    turn = random.uniform(0, 2 * np.pi)
    colour = tuple(int(value * light * 0.55) for value in coin.face)
    for stroke in range(int(coin.value)):
        angle = turn + 2 * np.pi * stroke / int(coin.value)
        inner, outer = 0.18 * radius, 0.6 * radius
        ends = [
            x + np.cos(angle) * inner,
            y + np.sin(angle) * inner,
            x + np.cos(angle) * outer,
            y + np.sin(angle) * outer,
        ]
        draw.line(ends, fill=colour, width=max(1, round(radius * 0.12)))


def _with_noise(picture: Image.Image, random: np.random.RandomState) -> Image.Image:
    pixels = np.asarray(picture, dtype=np.float32) + random.normal(0.0, 3.0, size=(picture.height, picture.width, 3))
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
