"""A linear head learns faster and is evenly regularised on features of mean 0 and deviation 1; served ones are raw."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.networks.names import HEAD
from training.weights import Weights

Array = NDArray[np.float32]
LEAST_DEVIATION = 1e-2  # a feature that hardly ever moves must not be blown up


@dataclass(frozen=True)
class FeatureScale:
    mean: Array  # (dim,)
    deviation: Array  # (dim,)

    @classmethod
    def of(cls, features: NDArray[np.floating[Any]]) -> "FeatureScale":
        """features: (n, dim)."""
        deviation = features.std(axis=0) + LEAST_DEVIATION
        return cls(features.mean(axis=0).astype(np.float32), deviation.astype(np.float32))

    def standardize(self, features: NDArray[np.floating[Any]]) -> Array:
        scaled: Array = ((features - self.mean) / self.deviation).astype(np.float32)
        return scaled

    def folded(self, weights: Mapping[str, Array]) -> Weights:
        """The head's weights for raw features, answering as they did for standardized ones."""
        weight = weights[f"{HEAD}_weight"] / self.deviation
        bias = weights[f"{HEAD}_bias"] - weight @ self.mean
        return {**weights, f"{HEAD}_weight": weight, f"{HEAD}_bias": bias}
