"""Evaluations small enough to write down, for the tests of cards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from device.runtime.decision import ClassificationDecision
from device.runtime.predictor import Answer
from device.runtime.scene import SceneMeasurement
from training.datasets.channel import ChannelPhoto
from training.evaluation import Evaluation, Mistake
from training.figures import classification_figures, decision_figures
from training.predictions import Prediction, Predictions

LABELS = ("compost", "landfill", "<b>recycling|</b>")


def manifest(**parts: Any) -> dict[str, Any]:
    return {
        "name": "waste",
        "task": "classify",
        "labels": [{"name": label, "color": None, "value": None} for label in LABELS],
        "input": {"width": 64, "height": 64, "color_order": "RGB", "fit": "squash"},
        "engines": ["onnxruntime"],
        "decision": {"temperature": 1.5, "thresholds": dict.fromkeys(LABELS, 0.5), "ambiguous_margin": 0.1},
        "scene": None,
        "training": {"job": "j", "photos": {"train": 10}, "sources": [{"name": "rendered", "licence": "Apache-2.0"}]},
        **parts,
    }


def evaluation(photos: int = 60) -> Evaluation:
    """Three in four answers are right."""
    random = np.random.default_rng(0)
    predictions = Predictions(LABELS, tuple(_prediction(number, random) for number in range(photos)))
    mistakes = tuple(
        Mistake(Image.new("RGB", (160, 90), (200, 30, 30)), f"{number}.jpg", "compost", "landfill", 0.9)
        for number in range(7)
    )
    figures = {"task": "classify", **classification_figures(predictions)}
    return Evaluation({**figures, "decisions": decision_figures(predictions.answered)}, mistakes)


def _prediction(number: int, random: np.random.Generator) -> Prediction:
    truth = number % len(LABELS)
    answer = truth if number % 4 else (truth + 1) % len(LABELS)
    raw = random.dirichlet(np.ones(len(LABELS)))
    raw[answer] += 1.0
    shares = [float(value) for value in raw / raw.sum()]
    reasons = ("low_confidence",) if number % 5 == 0 else ()
    probabilities = dict(zip(LABELS, shares, strict=True))
    decision = ClassificationDecision(LABELS[answer], shares[answer], reasons, probabilities, ())
    scene = SceneMeasurement(**dict.fromkeys(("brightness", "contrast", "sharpness", "aspect", "fill"), 1.0))
    photo = ChannelPhoto(Path(f"{number}.jpg"), LABELS[truth])
    return Prediction(photo, Answer(decision, tuple(shares), (), None, None, scene, {}))
