"""The counting task: photos of how many objects each, to a network that answers with a probability per count."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.classification import train_network
from training.counting.metrics import count_scores
from training.datasets.channel import read_channel
from training.layout import ContainerLayout, TrainingError
from training.metrics import log_loss
from training.networks.counter import neighbour_targets, ordinal_head
from training.objective import Objective
from training.settings import TrainSettings
from training.trained_network import TrainedNetwork
from training.weights import Checkpoints


def train_counter(layout: ContainerLayout, settings: TrainSettings, checkpoints: Checkpoints) -> TrainedNetwork:
    """`label_smoothing` is how far a target spreads to its neighbours.

    Raises: TrainingError, for labels that are not whole numbers without a gap.
    """
    require_consecutive({photo.label for photo in read_channel(layout.require_channel("train"))})
    return train_network(layout, settings, checkpoints, COUNT)


def require_consecutive(labels: Collection[str]) -> None:
    """From 0 or from any count on. Raises: TrainingError."""
    counts = sorted({_whole_number(label) for label in labels})
    missing = [str(count) for count in range(counts[0], counts[-1]) if count not in counts] if counts else []
    if missing:
        found = ", ".join(map(str, counts))
        raise TrainingError(
            f"counts must follow each other without a gap, every one with photos; found {found}: "
            f"add photos of {', '.join(missing)}"
        )


def count_score(probabilities: NDArray[np.float32], targets: NDArray[np.int64]) -> Mapping[str, float]:
    scores = count_scores(probabilities, targets)
    return {
        "validation_loss": log_loss(probabilities, targets) + scores.ranked_probability_score,
        "validation_accuracy": scores.accuracy,
        "validation_within_one": scores.within_one,
        "validation_rmse": scores.rmse,
    }


def _whole_number(label: str) -> Any:
    if not label.isdecimal():
        raise TrainingError(f"{label!r} is no count: the labels of a counter are whole numbers")
    return int(label)


COUNT = Objective(
    head=lambda features, counts, settings: ordinal_head(features, counts, settings.dropout),
    targets=lambda counts, settings: neighbour_targets(counts, settings.label_smoothing),
    score=count_score,
    label_order=_whole_number,
)
