"""Renders the golden pools: `python -m scripts.golden_pool` writes chalicelib/golden/<task>-<version>.zip.

64 synthetic photos a task, lossless, the same whenever it runs. Another look is another version, never the same name.
"""

from __future__ import annotations

import hashlib
import io
import random
import zipfile
from collections.abc import Callable
from pathlib import Path

from PIL import Image, ImageDraw

VERSION = 1
PHOTOS = 64
SIDE_PX = 96
FOLDER = Path(__file__).parent.parent / "chalicelib" / "golden"
EPOCH = (1980, 1, 1, 0, 0, 0)
Color = tuple[int, int, int]


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for task in RENDERERS:
        path = FOLDER / f"{task}-{VERSION}.zip"
        path.write_bytes(pool(task))
        print(f"{path.name}: {path.stat().st_size:,} bytes, {hashlib.sha256(path.read_bytes()).hexdigest()}")


def pool(task: str) -> bytes:
    """The whole pool as a zip whose bytes depend on nothing but the photos."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as packed:
        for number in range(PHOTOS):
            packed.writestr(zipfile.ZipInfo(f"{task}-{VERSION}-{number:02d}.png", EPOCH), png(photo(task, number)))
    return stream.getvalue()


def photo(task: str, number: int) -> Image.Image:
    draw = random.Random(f"golden {task} {VERSION} {number}")
    image = _background(draw)
    RENDERERS[task](image, draw, number)
    return image


def png(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "PNG", optimize=False, compress_level=9)
    return stream.getvalue()


def _background(draw: random.Random) -> Image.Image:
    """A table or a wall, lit from one side."""
    near, far = _color(draw), _color(draw)
    image = Image.new("RGB", (SIDE_PX, SIDE_PX))
    canvas = ImageDraw.Draw(image)
    is_upright = draw.random() < 0.5
    for step in range(SIDE_PX):
        share = step / (SIDE_PX - 1)
        color = tuple(round(one + (other - one) * share * 0.6) for one, other in zip(near, far, strict=True))
        line = (step, 0, step, SIDE_PX) if is_upright else (0, step, SIDE_PX, step)
        canvas.line(line, fill=color)
    return image


def _one_thing(image: Image.Image, draw: random.Random, number: int) -> None:
    """A single object, large and in the middle as one holds it to the camera; every eighth photo has none."""
    if number % 8:
        _thing(ImageDraw.Draw(image), draw, SIDE_PX // 2, SIDE_PX // 2, draw.randint(22, 42))


def _many_things(image: Image.Image, draw: random.Random, number: int) -> None:
    """0 to 7 objects, lying anywhere."""
    canvas = ImageDraw.Draw(image)
    for _ in range(number % 8):
        _thing(canvas, draw, draw.randint(12, 84), draw.randint(12, 84), draw.randint(8, 18))


def _notes(image: Image.Image, draw: random.Random, number: int) -> None:
    """0 to 3 oblongs with a border and a disc, of one strong colour each."""
    canvas = ImageDraw.Draw(image)
    for _ in range(number % 4):
        x, y, width = draw.randint(4, 50), draw.randint(4, 66), draw.randint(26, 42)
        color = _strong(draw)
        canvas.rectangle((x, y, x + width, y + width // 2), fill=color, outline=_color(draw), width=2)
        canvas.ellipse((x + 4, y + 4, x + width // 2 - 4, y + width // 2 - 4), fill=_color(draw))


def _thing(canvas: ImageDraw.ImageDraw, draw: random.Random, x: int, y: int, size: int) -> None:
    color, edge = _strong(draw), _color(draw)
    box = (x - size, y - size * draw.uniform(0.5, 1), x + size, y + size * draw.uniform(0.5, 1))
    kind = draw.randrange(4)
    if kind == 0:
        canvas.ellipse(box, fill=color, outline=edge, width=2)
    elif kind == 1:
        canvas.rectangle(box, fill=color, outline=edge, width=3)
    elif kind == 2:
        corners = [(x + draw.randint(-size, size), y + draw.randint(-size, size)) for _ in range(draw.randint(3, 7))]
        canvas.polygon(corners, fill=color, outline=edge)
    else:
        canvas.rectangle(box, fill=color)
        for stripe in range(round(box[1]), round(box[3]), 6):
            canvas.line((box[0], stripe, box[2], stripe), fill=edge, width=2)


def _color(draw: random.Random) -> Color:
    return draw.randrange(256), draw.randrange(256), draw.randrange(256)


def _strong(draw: random.Random) -> Color:
    """One channel high, one low: models that look at colours differ on it."""
    channels = [draw.randint(190, 255), draw.randint(0, 60), draw.randint(0, 255)]
    draw.shuffle(channels)
    return channels[0], channels[1], channels[2]


RENDERERS: dict[str, Callable[[Image.Image, random.Random, int], None]] = {
    "classify": _one_thing,
    "count": _many_things,
    "detect": _notes,
}


if __name__ == "__main__":
    main()
