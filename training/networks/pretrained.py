"""An MXNet checkpoint as a feature extractor: found, stripped of its classifier, cut where training begins."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.layout import TrainingError
from training.mxnet_import import mx
from training.networks.names import FEATURES
from training.networks.small import normalized

CUT = "cut"


@dataclass(frozen=True)
class Backbone:
    """`features` is a symbol from raw `data` to (n, dim); the parameters are those of the checkpoint it needs."""

    features: Any
    arguments: Mapping[str, Any]
    auxiliary: Mapping[str, Any]
    convolutions: tuple[str, ...]


def load_backbone(prefix: Path, data: Any, pooled_stages: int = 1) -> Backbone:
    """Features: the global pooling's, joined with the means over what goes into the last stride-2 convolutions.

    Raises: TrainingError, where there is no such checkpoint or it has no global pooling to take features from.
    """
    symbol_path = prefix.parent / f"{prefix.name}-symbol.json"
    parameter_paths = sorted(prefix.parent.glob(f"{prefix.name}-[0-9][0-9][0-9][0-9].params"))
    if not symbol_path.exists() or not parameter_paths:
        raise TrainingError(
            f"no MXNet checkpoint {prefix}: {symbol_path.name} and {prefix.name}-NNNN.params are needed"
        )
    symbol = mx.sym.load(str(symbol_path))
    parameters = mx.nd.load(str(parameter_paths[-1]))
    features = _features_of(symbol, data, pooled_stages)
    return Backbone(
        features,
        _pick(parameters, "arg:", features.list_arguments()),
        _pick(parameters, "aux:", features.list_auxiliary_states()),
        tuple(node["name"] for node in _nodes(features) if node["op"] == "Convolution"),
    )


def _features_of(symbol: Any, data: Any, pooled_stages: int) -> Any:
    internals = symbol.get_internals()
    if f"{FEATURES}_output" in internals.list_outputs():
        return internals[f"{FEATURES}_output"](data=data)  # a network of ours: normalization and pooling are in it
    embedded = internals[f"{_last_global_pooling(symbol)}_output"]
    earlier = [_mean_of(embedded, end) for end in stage_ends(embedded)[: pooled_stages - 1]]
    joined = mx.sym.Concat(embedded, *earlier, dim=1, name="pools") if earlier else embedded
    return mx.sym.Flatten(joined(data=normalized(data)), name=FEATURES)


def _pick(parameters: Mapping[str, Any], kind: str, wanted: list[str]) -> dict[str, Any]:
    return {name[4:]: value for name, value in parameters.items() if name.startswith(kind) and name[4:] in wanted}


def _nodes(symbol: Any) -> list[dict[str, Any]]:
    nodes: list[dict[str, Any]] = json.loads(symbol.tojson())["nodes"]
    return nodes


def _last_global_pooling(symbol: Any) -> str:
    pooled = [node["name"] for node in _nodes(symbol) if node["op"] == "Pooling" and _is_global(node)]
    if not pooled:
        raise TrainingError("the pretrained network has no global pooling: its features cannot be found")
    return str(pooled[-1])


def stage_ends(symbol: Any) -> list[str]:
    """The layers that a convolution halves the size of, the last first: the finished features of a size."""
    nodes = _nodes(symbol)
    ends = []
    for node in reversed(nodes):
        if node["op"] == "Convolution" and node.get("attrs", {}).get("stride", "").replace(" ", "") == "(2,2)":
            source = nodes[node["inputs"][0][0]]
            end = nodes[source["inputs"][0][0]] if source["op"] == "Pad" else source
            if end["op"] != "null" and end["name"] not in ends:
                ends.append(end["name"])
    return ends


def _mean_of(symbol: Any, layer: str) -> Any:
    output = symbol.get_internals()[f"{layer}_output"]
    return mx.sym.Pooling(output, global_pool=True, pool_type="avg", kernel=(1, 1), name=f"{layer}_mean")


def _is_global(node: Mapping[str, Any]) -> bool:
    return str(node.get("attrs", {}).get("global_pool", "False")).lower() in ("true", "1")


def cut_layer(backbone: Backbone, trainable_convolutions: int) -> str:
    """The name of the last frozen output: the features themselves, or what goes into the n-th last convolution."""
    if trainable_convolutions == 0:
        return f"{FEATURES}_output"
    if trainable_convolutions > len(backbone.convolutions):
        raise TrainingError(f"finetune_layers: the network has {len(backbone.convolutions)} convolutions")
    nodes = _nodes(backbone.features)
    first = next(node for node in nodes if node["name"] == backbone.convolutions[-trainable_convolutions])
    return f"{nodes[first['inputs'][0][0]]['name']}_output"


def convolutions_from_stride(backbone: Backbone, stride: int, image_size: int) -> int:
    """How many of the last convolutions train, when those on maps of 1/stride of the photo's side and less do.

    The first of these trains as well, unless what it gives is smaller than what it takes: what is frozen is cached.
    Raises: TrainingError, where no convolution takes maps as small.
    """
    taken = _taken_shapes(backbone, image_size)
    small = [index for index, (_, side, _) in enumerate(taken) if side * stride <= image_size]
    if not small:
        raise TrainingError(f"finetune_stride: no layer of the network has maps of 1/{stride} of the photo's side")
    first = min(small[:2], key=lambda index: math.prod(taken[index]))
    return len(backbone.convolutions) - first


def _taken_shapes(backbone: Backbone, image_size: int) -> list[tuple[int, int, int]]:
    """What each convolution takes: (channels, height, width)."""
    internals = backbone.features.get_internals()
    data = next(name for name in internals.list_arguments() if name not in backbone.arguments)
    found = internals.infer_shape(**{data: (1, 3, image_size, image_size)})[1]
    shapes = dict(zip(internals.list_outputs(), found, strict=True))
    nodes = _nodes(backbone.features)
    sources = {node["name"]: nodes[node["inputs"][0][0]] for node in nodes if node["op"] == "Convolution"}
    names = [sources[name]["name"] for name in backbone.convolutions]
    return [shapes[name if name == data else f"{name}_output"][1:] for name in names]


def unclipped(symbol: Any, layer_output: str) -> Any:
    """The same layers with ReLU in place of ReLU6 above one: what trains there trains a quarter faster.

    A network that has learnt with the clipped ones hardly ever reaches 6, and goes on learning.
    """
    document = json.loads(symbol.tojson())
    first = [node["name"] for node in document["nodes"]].index(layer_output.removesuffix("_output")) + 1
    for node in document["nodes"][first:]:
        if node["op"] == "clip" and float(node["attrs"]["a_min"]) == 0:
            node.update({"op": "Activation", "attrs": {"act_type": "relu"}})
    return mx.sym.load_json(json.dumps(document))


def rooted_at(symbol: Any, layer_output: str) -> Any:
    """The part of `symbol` above a layer, which becomes the variable `cut`."""
    document = json.loads(symbol.tojson())
    name = layer_output.removesuffix("_output")
    for node in document["nodes"]:
        if node["name"] == name:
            node.update({"op": "null", "name": CUT, "inputs": []})
            node.pop("attrs", None)
    index = next(i for i, node in enumerate(document["nodes"]) if node["name"] == CUT)
    document["arg_nodes"] = sorted({*document["arg_nodes"], index})
    return mx.sym.load_json(json.dumps(document))
