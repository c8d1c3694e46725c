"""Reference features: a few dozen directions in feature space near which the training photos lie."""

import numpy as np
from numpy.typing import NDArray

Features = NDArray[np.float32]  # (n, dim)
ROUNDS = 25


def unit(features: Features) -> Features:
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    directions: Features = (features / np.maximum(lengths, 1e-12)).astype(np.float32)
    return directions


def reference_count(photos: int) -> int:
    return int(min(64, max(16, photos // 16), max(1, photos)))


def reference_features(features: Features, count: int, seed: int = 0) -> Features:
    """Spherical k-means, begun far apart (k-means++): (count, dim), unit length."""
    points = unit(features)
    centres = _spread_out(points, count, np.random.default_rng(seed))
    for _ in range(ROUNDS):
        nearest = (points @ centres.T).argmax(axis=1)
        moved = np.stack([_centre(points[nearest == index], centres[index]) for index in range(count)])
        if np.allclose(moved, centres, atol=1e-5):
            break
        centres = moved
    return centres


def _spread_out(points: Features, count: int, rng: np.random.Generator) -> Features:
    chosen = [int(rng.integers(len(points)))]
    distance = 1 - points @ points[chosen[0]]
    while len(chosen) < count:
        weights = np.maximum(distance, 0).astype(np.float64) + 1e-9
        chosen.append(int(rng.choice(len(points), p=weights / weights.sum())))
        distance = np.minimum(distance, 1 - points @ points[chosen[-1]])
    return points[chosen]


def _centre(members: Features, previous: Features) -> Features:
    return unit(members.mean(axis=0, keepdims=True))[0] if len(members) else previous


def distances(features: Features, references: Features) -> NDArray[np.float32]:
    """(n,): cosine distance to the nearest reference."""
    nearest: NDArray[np.float32] = 1 - (unit(features) @ unit(references).T).max(axis=1)
    return nearest
