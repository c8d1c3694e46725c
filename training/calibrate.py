"""When the model's answer counts: temperature, thresholds, and what its training photos look like.

Chosen on the validation photos with the engine that serves, and written in the manifest; never on the test photos.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from device.runtime.predictor import Predictor
from device.runtime.scene import SceneMeasurement
from training.counting.calibration import count_decision
from training.datasets.channel import ChannelPhoto
from training.metrics import log_loss
from training.predictions import Predictions, of_known_labels, predict_photos
from training.references import Features, distances, reference_count, reference_features

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

TEMPERATURES = np.geomspace(0.2, 5.0, 161)
WANTED_PRECISION = 0.95
KEPT_RIGHT_ANSWERS = 0.8  # a threshold gives up no more right answers of its class than the rest
LOWEST_THRESHOLD = 0.4
MARGIN_QUANTILE = 0.03
MARGIN_RANGE = (0.05, 0.2)
SCENE_QUANTILES = (0.5, 99.5)
KEPT_DISTANCE_QUANTILE = 97
MAX_SCENE_PHOTOS = 500
REFERENCES_FILE = "references.npy"


@dataclass(frozen=True)
class Calibration:
    """`decision` and `scene` as the manifest has them; `references` goes into its own file."""

    decision: dict[str, Any]
    scene: dict[str, Any]
    references: Features | None


def calibrate_model(
    predictor: Predictor, train: Sequence[ChannelPhoto], validation: Sequence[ChannelPhoto]
) -> Calibration:
    """`predictor`: of the model as trained, its manifest still without temperature and thresholds."""
    held_out = of_known_labels(predictor, predict_photos(predictor, validation, "calibrating"))
    seen = of_known_labels(predictor, predict_photos(predictor, _evenly(train, MAX_SCENE_PHOTOS), "measuring scenes"))
    references, described = choose_references(seen, held_out)
    scene = {**scene_quantiles(seen.scenes), "references": described}
    return Calibration(_decision(predictor.manifest.task, held_out), scene, references)


def _decision(task: str, held_out: Predictions) -> dict[str, Any]:
    decision = choose_decision(held_out.raw, held_out.targets, held_out.labels)
    if task != "count":
        return decision
    calibrated = with_temperature(held_out.raw, decision["temperature"])
    return {**decision, **count_decision(calibrated, held_out.targets, held_out.labels)}


def _evenly(photos: Sequence[ChannelPhoto], count: int) -> list[ChannelPhoto]:
    """Every k-th photo of those sorted by label, so that small classes are seen as well."""
    by_label = sorted(photos, key=lambda photo: (photo.label, photo.sha256 or photo.path.name))
    places = np.linspace(0, len(by_label) - 1, min(count, len(by_label))).astype(int)
    return [by_label[place] for place in places]


def choose_decision(raw: Floats, targets: Ints, labels: Sequence[str]) -> dict[str, Any]:
    """`raw`: probabilities as the network gave them, of photos it was not trained on."""
    temperature = best_temperature(raw, targets)
    calibrated = with_temperature(raw, temperature)
    thresholds = class_thresholds(calibrated, targets)
    return {
        "temperature": round(temperature, 4),
        "thresholds": {label: round(value, 4) for label, value in zip(labels, thresholds, strict=True)},
        "ambiguous_margin": round(ambiguous_margin(calibrated, targets), 4),
    }


def with_temperature(probabilities: Floats, temperature: float) -> Floats:
    """The same as dividing the logits by the temperature."""
    powers = np.maximum(probabilities, 1e-30) ** (1 / temperature)
    scaled: Floats = powers / powers.sum(axis=1, keepdims=True)
    return scaled


def best_temperature(probabilities: Floats, targets: Ints) -> float:
    """The one under which the validation labels are likeliest."""
    losses = [log_loss(with_temperature(probabilities, value), targets) for value in TEMPERATURES]
    return float(TEMPERATURES[int(np.argmin(losses))])


def class_thresholds(calibrated: Floats, targets: Ints) -> list[float]:
    """Per class the lowest confidence from which 19 of 20 answers are right, where that costs few right ones."""
    answers, confidence = calibrated.argmax(axis=1), calibrated.max(axis=1)
    return [
        _threshold(confidence[answers == label], targets[answers == label] == label)
        for label in range(calibrated.shape[1])
    ]


def _threshold(confidence: Floats, right: NDArray[np.bool_]) -> float:
    if not right.any():
        return LOWEST_THRESHOLD
    highest = max(LOWEST_THRESHOLD, float(np.quantile(confidence[right], 1 - KEPT_RIGHT_ANSWERS)))
    for threshold in np.linspace(LOWEST_THRESHOLD, highest, 25):
        kept = right[confidence >= threshold]
        if (kept.sum() + 1) / (len(kept) + 2) >= WANTED_PRECISION:  # a rule of succession: few photos prove little
            return float(threshold)
    return highest


def ambiguous_margin(calibrated: Floats, targets: Ints) -> float:
    """The lead over the second best label that all but a few right answers have."""
    ordered = np.sort(calibrated, axis=1)
    lead = (ordered[:, -1] - ordered[:, -2])[calibrated.argmax(axis=1) == targets]
    low, high = MARGIN_RANGE
    return float(np.clip(np.quantile(lead, MARGIN_QUANTILE), low, high)) if len(lead) else high


def scene_quantiles(scenes: Sequence[SceneMeasurement]) -> dict[str, Any]:
    measured = {name: [getattr(scene, name) for scene in scenes] for name in scenes[0].to_json()}
    return {
        name: [round(float(value), 4) for value in np.percentile(values, SCENE_QUANTILES)]
        for name, values in measured.items()
    }


def choose_references(seen: Predictions, held_out: Predictions) -> tuple[Features | None, dict[str, Any] | None]:
    features, validation = seen.features, held_out.features
    if features is None or validation is None:
        return None, None
    references = reference_features(features, reference_count(len(features)))
    kept = float(np.percentile(distances(validation, references), KEPT_DISTANCE_QUANTILE))
    described = {
        "file": REFERENCES_FILE,
        "count": references.shape[0],
        "dim": references.shape[1],
        "max_distance": round(kept, 6),
    }
    return references, described
