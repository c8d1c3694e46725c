"""Answers of real models to frames, as the loop's watchers are given them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from device.frame_loop import Seen
from device.frame_source import Frame
from device.runtime.predictor import Predictor
from tests.device.models import model_folder


class Watched:
    """A model under a digest of its own."""

    def __init__(self, folder: Path, task: str = "classify", digest: str = "a" * 64, **changes: Any) -> None:
        self.predictor = Predictor.load(model_folder(folder, task, **changes))
        self.digest = digest

    def seen(self, image: Any, at_s: float = 0.0) -> Seen:
        answer = self.predictor.predict_image(image)
        return Seen(Frame(image, at_s), answer, self.digest, self.predictor.manifest)
