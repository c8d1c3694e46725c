"""Single-shot detector in the form that DeepLens' and OpenVINO 2023.3's `mo` convert.

One set of heads, three symbols on it: to train, to run with MultiBoxDetection inside (DeepLens, `mo`), and to
export without priors and suppression (ONNX has neither; the manifest's `detection` block tells the runtime how).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from training.mxnet_import import mx

Symbol = Any  # mxnet carries no type information

TARGET = "boxes"
PROBABILITIES = "cls_prob"
OFFSETS = "loc"
IGNORED = -1


@dataclass(frozen=True)
class AnchorLayer:
    """Prior boxes of one feature map: `sizes` are shares of the input's side, `ratios` are width / height (first 1)."""

    sizes: tuple[float, ...]
    ratios: tuple[float, ...]

    @property
    def per_cell(self) -> int:
        return len(self.sizes) + len(self.ratios) - 1


@dataclass(frozen=True)
class SsdSpec:
    classes: int
    layers: tuple[AnchorLayer, ...]
    variances: tuple[float, float, float, float] = (0.1, 0.1, 0.2, 0.2)
    nms_threshold: float = 0.45
    max_boxes: int = 100
    overlap_threshold: float = 0.5
    negatives_per_positive: float = 3.0


@dataclass(frozen=True)
class Heads:
    """scores (N, C+1, A) before softmax; offsets (N, A*4); priors (1, A, 4) corners in 0-1."""

    scores: Symbol
    offsets: Symbol
    priors: Symbol


def build_heads(feature_maps: Sequence[Symbol], spec: SsdSpec) -> Heads:
    scores, offsets, priors = [], [], []
    for index, (feature_map, layer) in enumerate(zip(feature_maps, spec.layers, strict=True)):
        scores.append(_flat_head(feature_map, layer.per_cell * (spec.classes + 1), f"cls{index}"))
        offsets.append(_flat_head(feature_map, layer.per_cell * 4, f"loc{index}"))
        prior = mx.sym.contrib.MultiBoxPrior(feature_map, sizes=layer.sizes, ratios=layer.ratios, name=f"prior{index}")
        priors.append(mx.sym.Flatten(prior))
    by_prior = mx.sym.Reshape(mx.sym.Concat(*scores, dim=1), shape=(0, -1, spec.classes + 1))
    return Heads(
        scores=mx.sym.transpose(by_prior, axes=(0, 2, 1), name="cls_scores"),
        offsets=mx.sym.Concat(*offsets, dim=1, name=OFFSETS),
        priors=mx.sym.Reshape(mx.sym.Concat(*priors, dim=1), shape=(0, -1, 4), name="priors"),
    )


def _flat_head(feature_map: Symbol, channels: int, name: str) -> Symbol:
    head = mx.sym.Convolution(feature_map, kernel=(3, 3), pad=(1, 1), num_filter=channels, name=name)
    return mx.sym.Flatten(mx.sym.transpose(head, axes=(0, 2, 3, 1)))


def loss_symbol(heads: Heads, spec: SsdSpec) -> Symbol:
    """One loss a sample (N,): class and box loss over its matched priors and the hardest of the others.

    Its target, `boxes` (N, M, 5), holds rows of class, left, top, right, bottom in 0-1, padded with -1.
    """
    offset_target, offset_mask, class_target = mx.sym.contrib.MultiBoxTarget(
        heads.priors,
        mx.sym.Variable(TARGET),
        heads.scores,
        overlap_threshold=spec.overlap_threshold,
        ignore_label=IGNORED,
        variances=spec.variances,
        negative_mining_ratio=spec.negatives_per_positive,
        negative_mining_thresh=0.5,
        minimum_negative_samples=8,
        name="match",
    )
    wanted = mx.sym.BlockGrad(class_target)
    entropy = -mx.sym.pick(mx.sym.log_softmax(heads.scores, axis=1), mx.sym.maximum(wanted, 0), axis=1)
    counted = mx.sym.sum(entropy * (wanted > IGNORED), axis=1)
    misplaced = mx.sym.smooth_l1(
        mx.sym.BlockGrad(offset_mask) * (heads.offsets - mx.sym.BlockGrad(offset_target)), scalar=1.0
    )
    matched = mx.sym.maximum(mx.sym.sum(wanted > 0, axis=1), 1)
    return mx.sym.MakeLoss((counted + mx.sym.sum(misplaced, axis=1)) / matched, name="loss")


def deploy_symbol(heads: Heads, spec: SsdSpec) -> Symbol:
    """Output (N, A, 6): class or -1, score, left, top, right, bottom in 0-1, what awscam's `ssd` parser reads."""
    probabilities = mx.sym.SoftmaxActivation(heads.scores, mode="channel", name=PROBABILITIES)
    return mx.sym.contrib.MultiBoxDetection(
        probabilities,
        heads.offsets,
        heads.priors,
        name="detection",
        nms_threshold=spec.nms_threshold,
        force_suppress=False,
        variances=spec.variances,
        nms_topk=spec.max_boxes,
    )


def export_symbol(heads: Heads) -> Symbol:
    """Outputs `cls_prob` (1, C+1, A), background first, and `loc` (1, A*4): all that ONNX can hold of it."""
    return mx.sym.Group([mx.sym.softmax(heads.scores, axis=1, name=PROBABILITIES), heads.offsets])
