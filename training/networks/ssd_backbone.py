"""What the detector's heads stand on: a small network of DeepLens' documented operators, or a downloaded checkpoint."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.layout import TrainingError
from training.mxnet_import import mx
from training.networks.pretrained import load_backbone
from training.networks.small import FIXED_PARAMETERS, normalized

Symbol = Any
NORM_EPSILON = 1e-3


@dataclass(frozen=True)
class FeatureMaps:
    """symbols: finer to coarser, of raw `data`. fixed: the parameters that never train."""

    symbols: tuple[Symbol, ...]
    parameters: Mapping[str, Any]
    fixed: tuple[str, ...]

    def sizes(self, width_px: int, height_px: int) -> tuple[tuple[int, int], ...]:
        """(height, width) of each for an input of that size."""
        _, shapes, _ = mx.sym.Group(list(self.symbols)).infer_shape(data=(1, 3, height_px, width_px))
        return tuple((int(shape[2]), int(shape[3])) for shape in shapes)


def small_feature_maps(channels: Sequence[int], maps: int) -> FeatureMaps:
    """One stride-2 convolution for each of `channels`; the outputs of the last `maps` of them."""
    layer = normalized(mx.sym.Variable("data"))
    outputs = []
    for index, width in enumerate(channels):
        layer = _convolution(layer, width, f"conv{index + 1}", stride=2)
        outputs.append(layer)
    if len(outputs) < maps:
        raise TrainingError(f"{maps} feature maps need at least as many channels, there are {len(outputs)}")
    return FeatureMaps(tuple(outputs[-maps:]), {}, FIXED_PARAMETERS)


def _convolution(data: Symbol, channels: int, name: str, stride: int, kernel: int = 3) -> Symbol:
    pad = kernel // 2
    layer = mx.sym.Convolution(
        data,
        kernel=(kernel, kernel),
        pad=(pad, pad),
        stride=(stride, stride),
        num_filter=channels,
        no_bias=True,
        name=name,
    )
    layer = mx.sym.BatchNorm(layer, fix_gamma=False, eps=NORM_EPSILON, name=f"{name}_bn")
    return mx.sym.Activation(layer, act_type="relu", name=f"{name}_relu")


def pretrained_feature_maps(
    prefix: Path, size_px: int, trainable_convolutions: int, strides: Sequence[int] = (16, 32)
) -> FeatureMaps:
    """The last output of each stride of a checkpoint; only its last `trainable_convolutions` learn on."""
    backbone = load_backbone(prefix, mx.sym.Variable("data"))
    symbols = _last_of_each_stride(backbone.features, size_px, strides)
    still = set(backbone.convolutions[: len(backbone.convolutions) - trainable_convolutions])
    parameters = {**backbone.arguments, **backbone.auxiliary}
    fixed = tuple(name for name in backbone.arguments if name.rpartition("_")[0] in still)
    return FeatureMaps(tuple(symbols), parameters, (*FIXED_PARAMETERS, *fixed))


def _last_of_each_stride(features: Symbol, size_px: int, strides: Sequence[int]) -> list[Symbol]:
    internals = features.get_internals()
    _, shapes, _ = internals.infer_shape(data=(1, 3, size_px, size_px))
    shape_of = dict(zip(internals.list_outputs(), shapes, strict=True))
    # A padded map is not a feature map: its border holds nothing.
    computed = [f"{node['name']}_output" for node in _nodes(features) if node["op"] not in ("null", "Pad")]
    last = {shape_of[name][2]: name for name in computed if len(shape_of[name]) == 4 and shape_of[name][2] > 1}
    return [internals[last[_nearest(last, size_px / stride)]] for stride in strides]


def _nearest(available: Mapping[int, str], wanted: float) -> int:
    close = [side for side in available if abs(side - wanted) <= max(1.0, 0.15 * wanted)]
    if not close:
        raise TrainingError(f"the checkpoint has no feature map {wanted:.0f} wide, only {sorted(available)}")
    return min(close, key=lambda side: abs(side - wanted))


def with_coarser_map(maps: FeatureMaps, channels: int) -> FeatureMaps:
    """One more map of half the resolution, for objects that fill the frame."""
    name = f"coarser{len(maps.symbols)}"
    squeezed = _convolution(maps.symbols[-1], channels // 2, f"{name}_squeeze", stride=1, kernel=1)
    coarser = _convolution(squeezed, channels, name, stride=2)
    return FeatureMaps((*maps.symbols, coarser), maps.parameters, maps.fixed)


def operators(symbol: Symbol) -> set[str]:
    return {str(node["op"]) for node in _nodes(symbol)} - {"null"}


def _nodes(symbol: Symbol) -> list[dict[str, Any]]:
    nodes: list[dict[str, Any]] = json.loads(symbol.tojson())["nodes"]
    return nodes
