"""Folding the standardization of features into the head's weights."""

import numpy as np

from training.standardized import FeatureScale


def test_the_folded_head_answers_to_raw_features_as_the_head_did_to_standardized_ones() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(3, [[5.0, 0.5, 2.0, 1.0]], (40, 4)).astype(np.float32)
    scale = FeatureScale.of(features)
    weights = {"head_weight": rng.normal(size=(2, 4)).astype(np.float32), "head_bias": np.array([0.5, -1], np.float32)}
    folded = scale.folded(weights)
    standardized = scale.standardize(features) @ weights["head_weight"].T + weights["head_bias"]
    assert np.allclose(features @ folded["head_weight"].T + folded["head_bias"], standardized, atol=1e-4)


def test_a_feature_that_never_moves_is_not_blown_up() -> None:
    features = np.ones((10, 2), dtype=np.float32)
    assert np.isfinite(FeatureScale.of(features).standardize(features + 0.001)).all()
    assert np.abs(FeatureScale.of(features).standardize(features + 0.001)).max() < 1
