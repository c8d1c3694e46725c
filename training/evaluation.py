"""What an evaluation answers: figures for programs, and the worst mistakes for people."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from PIL import Image, ImageOps

THUMBNAIL_PX = 160
WORST_MISTAKES = 24


@dataclass(frozen=True)
class Mistake:
    """`picture`: at most THUMBNAIL_PX a side, with whatever helps to see the mistake drawn on it."""

    picture: Image.Image
    name: str
    truth: str
    answer: str
    confidence: float

    def to_json(self) -> dict[str, Any]:
        return {
            "photo": self.name,
            "label": self.truth,
            "answered": self.answer,
            "confidence": round(self.confidence, 4),
        }


@dataclass(frozen=True)
class Evaluation:
    """`figures` as metrics.json has them, `worst` among them: the same mistakes, without their pictures."""

    figures: Mapping[str, Any]
    mistakes: tuple[Mistake, ...] = ()


def thumbnail(image: Image.Image) -> Image.Image:
    """As large as a place on the contact sheet, a small photo enlarged."""
    return ImageOps.contain(image.convert("RGB"), (THUMBNAIL_PX, THUMBNAIL_PX))
