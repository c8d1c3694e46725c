"""What every task's training hands over to be exported and described."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.weights import Weights

ANSWERED_PHOTOS = 4


@dataclass(frozen=True)
class TrainedNetwork:
    """`answer` is the whole network from raw 0-255 photos, `weights` all it needs.

    `outputs`: their names, in the manifest's words. `facts`: what else packaging must know (priors, values).
    """

    answer: Any
    weights: Weights
    labels: tuple[str, ...]
    history: tuple[Mapping[str, float], ...]
    seconds: float
    some_photos: NDArray[np.uint8]  # (n, height, width, 3), a few of the validation photos
    outputs: Mapping[str, str]
    facts: Mapping[str, Any] = field(default_factory=dict)
