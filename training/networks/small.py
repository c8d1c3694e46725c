"""A small convolutional network of DeepLens-documented operators only, fixed normalisation included."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.layout import TrainingError
from training.mxnet_import import mx
from training.networks.names import FEATURES, NORMALIZE
from training.settings import TrainSettings

FIXED_PARAMETERS = (f"{NORMALIZE}_gamma", f"{NORMALIZE}_beta")
NORMALIZE_EPSILON = 1e-5
EVENED_MEAN, EVENED_DEVIATION = 117.0, 58.0  # about what photos have on average
LEAST_VARIANCE = 16.0


def normalized(data: Any) -> Any:
    """Raw 0-255 to mean 0, deviation 1, by a BatchNorm whose statistics never move: exact at a padded border, too."""
    return mx.sym.BatchNorm(data, name=NORMALIZE, fix_gamma=True, use_global_stats=True, eps=NORMALIZE_EPSILON)


def evened(data: Any) -> Any:
    """Each photo's contrast enhanced to the same deviation around the same mean, colours kept; raw 0-255 in and out.

    A photo without any contrast is left without: there is nothing to enhance but noise.
    """
    centre = _mean_of_photo(data)
    spread = mx.sym.sqrt(_mean_of_photo(mx.sym.square(mx.sym.broadcast_sub(data, centre))) + LEAST_VARIANCE)
    scaled = mx.sym.broadcast_div(mx.sym.broadcast_sub(data, centre), spread)
    return scaled * EVENED_DEVIATION + EVENED_MEAN


def _mean_of_photo(data: Any) -> Any:
    """(n, 1, 1, 1), over places and then channels: by pooling, which every exporter and engine knows."""
    channels = mx.sym.Pooling(data, global_pool=True, pool_type="avg", kernel=(1, 1))
    side_by_side = mx.sym.Reshape(channels, shape=(0, 1, 3, 1))
    return mx.sym.Pooling(side_by_side, global_pool=True, pool_type="avg", kernel=(1, 1))


def normalization_parameters(
    mean: Sequence[float], deviation: Sequence[float]
) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Arguments and auxiliary states of the fixed first BatchNorm, for per-channel means and deviations in 0-255."""
    ones, zeros = mx.nd.ones(len(mean)), mx.nd.zeros(len(mean))
    variance = np.square(np.asarray(deviation, dtype=np.float64)) - NORMALIZE_EPSILON
    return (
        {f"{NORMALIZE}_gamma": ones, f"{NORMALIZE}_beta": zeros},
        {f"{NORMALIZE}_moving_mean": mx.nd.array(mean), f"{NORMALIZE}_moving_var": mx.nd.array(variance)},
    )


def pixel_statistics(photos: NDArray[np.uint8], contrast: int = 0) -> tuple[list[float], list[float]]:
    """Mean and deviation of each channel, of at most 500 photos (n, h, w, 3), evened out where `contrast` is."""
    if contrast:
        return [EVENED_MEAN] * 3, [EVENED_DEVIATION] * 3
    some = photos[:: max(1, len(photos) // 500)].astype(np.float64)
    deviation = np.maximum(some.std(axis=(0, 1, 2)), 1.0)
    return some.mean(axis=(0, 1, 2)).tolist(), deviation.tolist()


def small_features(settings: TrainSettings, data: Any) -> Any:
    """Stages of 3x3 convolutions, the first of each with stride 2, pooled over all places: (n, features)."""
    layer, ends = normalized(evened(data) if settings.contrast else data), []
    for stage, (channels, depth) in enumerate(stages(settings), 1):
        for place in range(1, depth + 1):
            layer = _convolution(layer, f"conv{stage}_{place}", channels, stride=2 if place == 1 else 1)
        ends.append(layer)
    kinds = ("avg", "max") if settings.pooling == "avgmax" else ("avg",)
    pooled = [_pooled(end, kind) for end in ends[-settings.pooled_stages :] for kind in kinds]
    joined = mx.sym.Concat(*pooled, dim=1, name="pools") if len(pooled) > 1 else pooled[0]
    return mx.sym.Flatten(joined, name=FEATURES)


def _pooled(layer: Any, kind: str) -> Any:
    """The maximum finds a small thing on a large board, which the mean waters down."""
    return mx.sym.Pooling(layer, global_pool=True, pool_type=kind, kernel=(1, 1), name=f"{layer.name}_{kind}")


def stages(settings: TrainSettings) -> list[tuple[int, int]]:
    try:
        channels = [int(text) for text in settings.channels.split(",")]
        depths = [int(text) for text in settings.depths.split(",")]
    except ValueError as error:
        raise TrainingError("channels and depths are numbers between commas, such as 16,32,64") from error
    if len(channels) != len(depths) or any(count % 16 for count in channels) or min(depths) < 1:
        raise TrainingError("channels (multiples of 16) and depths (1 or more) must be lists of one length")
    return list(zip(channels, depths, strict=True))


def _convolution(data: Any, name: str, channels: int, stride: int) -> Any:
    convolution = mx.sym.Convolution(
        data, num_filter=channels, kernel=(3, 3), stride=(stride, stride), pad=(1, 1), no_bias=True, name=name
    )
    return mx.sym.Activation(
        mx.sym.BatchNorm(convolution, fix_gamma=False, eps=1e-3, momentum=0.9, name=f"{name}_bn"), act_type="relu"
    )
