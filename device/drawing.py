"""Boxes and labels on a frame, in the manifest's colours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Dict, Tuple

from PIL import ImageDraw, ImageFont

from device.consensus import NOTHING, UNKNOWN, object_of
from device.frame_loop import Seen
from device.runtime.decision import DetectionDecision

if TYPE_CHECKING:
    from PIL.Image import Image

Color = Tuple[int, int, int]
_UNKNOWN: Color = (255, 103, 0)
_PLAIN: Color = (0, 200, 255)


def drawn(seen: Seen, width_px: int) -> Image:
    """A copy, width_px wide at the most."""
    image = seen.frame.image.copy()
    if image.width > width_px:
        image = image.resize((width_px, max(1, round(image.height * width_px / image.width))))
    draw = ImageDraw.Draw(image)
    result = seen.answer.result
    if isinstance(result, DetectionDecision):
        colors = _colors(seen)
        for each in result.detections:
            sides = (each.box.xmin, each.box.ymin, each.box.xmax, each.box.ymax)
            scale = (image.width - 1, image.height - 1) * 2
            corners = [side * length for side, length in zip(sides, scale)]
            color = colors.get(each.label, _PLAIN)
            draw.rectangle(corners, outline=color, width=2)
            _write(draw, (corners[0] + 3, corners[1] + 2), "%s %.2f" % (each.label, each.confidence), color)
    _write(draw, (6, 6), caption(seen), _colors(seen).get(object_of(seen), _PLAIN))
    return image


def caption(seen: Seen) -> str:
    result = seen.answer.result
    if result.unknown:
        return "? (%s)" % ", ".join(result.reasons)
    if isinstance(result, DetectionDecision):
        found = ", ".join("%d x %s" % (count, label) for label, count in result.counts.items() if count)
        return "%s%s" % (found or NOTHING, "" if result.sum is None else "  sum %g" % result.sum)
    return "%s %.2f" % (result.label, result.confidence)


def _colors(seen: Seen) -> Dict[str, Color]:
    return {UNKNOWN: _UNKNOWN, **{label.name: label.color for label in seen.manifest.labels if label.color}}


def _write(draw: ImageDraw.ImageDraw, at: Tuple[float, float], text: str, color: Color) -> None:
    """Pillow's own letters know Latin-1 only; the system's fonts are not to be relied on."""
    plain = text.encode("latin-1", "replace").decode("latin-1")
    font = ImageFont.load_default()
    draw.text((at[0] + 1, at[1] + 1), plain, fill=(0, 0, 0), font=font)
    draw.text(at, plain, fill=color, font=font)
