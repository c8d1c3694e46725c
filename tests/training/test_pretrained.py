"""A checkpoint as a feature extractor: which layers train, what they become, and what may be pooled."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

mx = pytest.importorskip("training.mxnet_import", reason="MXNet is not installed here", exc_type=ImportError).mx

from training.layout import TrainingError  # noqa: E402
from training.networks.pretrained import (  # noqa: E402
    convolutions_from_stride,
    cut_layer,
    load_backbone,
    rooted_at,
    unclipped,
)

SIDE = 32


def layer(data: Any, name: str, stride: int = 1) -> Any:
    made = mx.sym.Convolution(data, num_filter=4, kernel=(3, 3), pad=(1, 1), stride=(stride, stride), name=name)
    return mx.sym.clip(made, 0, 6, name=f"{name}_relu6")


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    """Three convolutions with ReLU6, the middle one halving the size, under a global pooling."""
    last = layer(layer(layer(mx.sym.Variable("data"), "first"), "second", stride=2), "third")
    pooled = mx.sym.Pooling(last, global_pool=True, pool_type="avg", kernel=(1, 1), name="pool")
    shapes, _, _ = pooled.infer_shape(data=(1, 3, SIDE, SIDE))
    rng = np.random.RandomState(0)
    weights = {
        f"arg:{name}": mx.nd.array(rng.normal(0, 1, shape))
        for name, shape in zip(pooled.list_arguments(), shapes, strict=True)
        if name != "data"
    }
    pooled.save(str(tmp_path / "net-symbol.json"))
    mx.nd.save(str(tmp_path / "net-0000.params"), weights)
    return tmp_path / "net"


def operators(symbol: Any) -> dict[str, str]:
    return {node["name"]: node["op"] for node in json.loads(symbol.tojson())["nodes"]}


def test_only_layers_that_train_lose_their_clipping(prefix: Path) -> None:
    backbone = load_backbone(prefix, mx.sym.Variable("data"))
    kinds = operators(unclipped(backbone.features, cut_layer(backbone, 2)))
    assert [kinds[f"{name}_relu6"] for name in ("first", "second", "third")] == ["clip", "Activation", "Activation"]


def test_up_to_six_an_unclipped_network_answers_the_same_and_beyond_it_goes_on(prefix: Path) -> None:
    backbone = load_backbone(prefix, mx.sym.Variable("data"))
    cut = cut_layer(backbone, 1)

    def answer(symbol: Any, bias: float) -> np.ndarray:
        tail = rooted_at(symbol, cut)
        executor = tail.simple_bind(mx.cpu(), grad_req="null", cut=(1, 4, 8, 8))
        executor.arg_dict["third_weight"][:] = 0
        executor.arg_dict["third_bias"][:] = bias
        return executor.forward()[0].asnumpy()

    for bias, expected in ((-1.0, 0.0), (5.0, 5.0), (9.0, 9.0)):
        assert answer(unclipped(backbone.features, cut), bias) == pytest.approx(np.full((1, 4), expected))
        assert answer(backbone.features, bias) == pytest.approx(np.full((1, 4), min(expected, 6.0)))


def test_the_pools_of_two_stages_stand_on_what_trains_or_are_seen_to_reach_below(prefix: Path) -> None:
    backbone = load_backbone(prefix, mx.sym.Variable("data"), pooled_stages=2)
    assert "data" not in rooted_at(backbone.features, cut_layer(backbone, 2)).list_arguments()
    assert "data" in rooted_at(backbone.features, cut_layer(backbone, 1)).list_arguments()


@pytest.mark.parametrize(("stride", "layers"), [(1, 3), (2, 1)])
def test_layers_train_by_the_size_of_the_maps_that_they_take(prefix: Path, stride: int, layers: int) -> None:
    """The second convolution takes the whole side and halves it: at half the side there is only the third."""
    backbone = load_backbone(prefix, mx.sym.Variable("data"))
    assert convolutions_from_stride(backbone, stride, SIDE) == layers


def test_maps_smaller_than_the_network_has_are_told(prefix: Path) -> None:
    with pytest.raises(TrainingError, match="no layer of the network has maps of 1/8"):
        convolutions_from_stride(load_backbone(prefix, mx.sym.Variable("data")), 8, SIDE)
