"""The worst mistakes on one picture."""

from __future__ import annotations

import io
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from training.evaluation import THUMBNAIL_PX, Mistake

COLUMNS, GAP_PX, CAPTION_PX = 5, 12, 38
PAPER, INK, WRONG = (250, 250, 250), (40, 48, 60), (190, 40, 40)
FONT_PX, QUALITY = 13, 82


def contact_sheet(mistakes: Sequence[Mistake]) -> bytes | None:
    """A JPEG; None without mistakes."""
    if not mistakes:
        return None
    columns, rows = min(COLUMNS, len(mistakes)), -(-len(mistakes) // COLUMNS)
    cell = THUMBNAIL_PX + GAP_PX
    sheet = Image.new("RGB", (columns * cell + GAP_PX, rows * (cell + CAPTION_PX) + GAP_PX), PAPER)
    for number, mistake in enumerate(mistakes):
        place = (GAP_PX + number % COLUMNS * cell, GAP_PX + number // COLUMNS * (cell + CAPTION_PX))
        _put(sheet, mistake, place)
    content = io.BytesIO()
    sheet.save(content, "JPEG", quality=QUALITY)
    return content.getvalue()


def _put(sheet: Image.Image, mistake: Mistake, place: tuple[int, int]) -> None:
    left, top = place
    picture = mistake.picture
    sheet.paste(picture, (left + (THUMBNAIL_PX - picture.width) // 2, top + THUMBNAIL_PX - picture.height))
    draw = ImageDraw.Draw(sheet)
    draw.text((left, top + THUMBNAIL_PX + 3), _fitted(draw, mistake.truth), INK, _font())
    answered = _fitted(draw, f"{mistake.answer} {mistake.confidence:.0%}")
    draw.text((left, top + THUMBNAIL_PX + 19), answered, WRONG, _font())


def _fitted(draw: ImageDraw.ImageDraw, text: str) -> str:
    while text and draw.textlength(text, _font()) > THUMBNAIL_PX:
        text = text.removesuffix("...")[:-1] + "..." if len(text) > 4 else ""
    return text


def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(FONT_PX)
