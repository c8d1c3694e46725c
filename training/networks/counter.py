"""The counting head: one probability per count, trained by a loss that knows that 4 is nearer to 3 than 0 is."""

from __future__ import annotations

from typing import Any

import numpy as np

from training.mxnet_import import mx
from training.networks.names import HEAD, PROBABILITIES
from training.objective import TARGET, Head


def ordinal_head(features: Any, counts: int, dropout: float = 0.0, distance_weight: float = 1.0) -> Head:
    """Cross entropy plus `distance_weight` times the ranked probability score, against a distribution (n, counts).

    The score is the squared distance of the cumulated distributions: proper, so it asks for honest probabilities, and
    ordinal, so a guess pays for how far off it is.
    """
    trained_on = mx.sym.Dropout(features, p=dropout) if dropout else features
    weight, bias = mx.sym.Variable(f"{HEAD}_weight"), mx.sym.Variable(f"{HEAD}_bias")
    scores = mx.sym.FullyConnected(trained_on, weight, bias, num_hidden=counts, name=HEAD)
    target = mx.sym.Variable(TARGET)
    log_probabilities = mx.sym.log_softmax(scores)
    entropy = -mx.sym.sum(target * log_probabilities, axis=1)
    distance = _ranked_score(mx.sym.exp(log_probabilities) - target, counts)
    served = mx.sym.FullyConnected(features, weight, bias, num_hidden=counts, name=HEAD)
    answer = mx.sym.SoftmaxOutput(served, name=PROBABILITIES)
    return Head(mx.sym.MakeLoss(entropy + distance_weight * distance, name="loss"), answer)


def _ranked_score(difference: Any, counts: int) -> Any:
    """Sum over every count k of (P(up to k) - target up to k) squared: (n,)."""
    cumulated = [
        mx.sym.sum(mx.sym.slice_axis(difference, axis=1, begin=0, end=count), axis=1, keepdims=True)
        for count in range(1, counts)
    ]
    return mx.sym.sum(mx.sym.square(mx.sym.Concat(*cumulated, dim=1)), axis=1)


def neighbour_targets(counts: int, spread: float) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Row k: the target of count k, its neighbours getting exp(-distance / spread) of its share; 0: none."""
    distance = np.abs(np.subtract.outer(np.arange(counts), np.arange(counts)))
    if spread <= 0:
        return np.eye(counts, dtype=np.float32)
    shares = np.exp(-distance / spread)
    targets: np.ndarray[Any, np.dtype[np.float32]] = (shares / shares.sum(axis=1, keepdims=True)).astype(np.float32)
    return targets
