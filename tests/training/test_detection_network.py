"""The detector's symbols: what MXNet finds in them is what the runtime finds in their heads."""

import json
from pathlib import Path

import numpy as np
import pytest

from device.runtime import ssd
from device.runtime.manifest_types import Detection
from training.detection.anchors import fit_anchors
from training.detection.frames import batch_labels, batch_pixels, make_frame
from training.layout import TrainingError
from training.mxnet_import import mx
from training.networks.small import normalization_parameters
from training.networks.ssd import AnchorLayer, Heads, SsdSpec, build_heads, deploy_symbol, export_symbol, loss_symbol
from training.networks.ssd_backbone import (
    FeatureMaps,
    operators,
    pretrained_feature_maps,
    small_feature_maps,
    with_coarser_map,
)

SIDE_PX = 64
SPEC = SsdSpec(
    classes=2,
    layers=(AnchorLayer((0.2, 0.3), (1.0, 2.0, 0.5)), AnchorLayer((0.4, 0.6), (1.0, 2.0, 0.5))),
    nms_threshold=0.45,
    max_boxes=100,
)


def small_detector() -> tuple[FeatureMaps, Heads]:
    maps = small_feature_maps((16, 16, 32, 32), 2)
    return maps, build_heads(maps.symbols, SPEC)


def detection_block(maps: FeatureMaps) -> Detection:
    return Detection(
        feature_maps=maps.sizes(SIDE_PX, SIDE_PX),
        sizes=tuple(layer.sizes for layer in SPEC.layers),
        ratios=tuple(layer.ratios for layer in SPEC.layers),
        variances=SPEC.variances,
        nms_threshold=SPEC.nms_threshold,
        max_boxes=SPEC.max_boxes,
        label_base=0,
    )


def run(symbol, weights: dict[str, np.ndarray], **inputs: np.ndarray) -> list[np.ndarray]:
    executor = symbol.simple_bind(mx.cpu(), grad_req="null", **{name: value.shape for name, value in inputs.items()})
    for held in (executor.arg_dict, executor.aux_dict):
        for name, value in held.items():
            if name not in inputs:
                value[:] = weights[name]
    executor.forward(is_train=False, **{name: mx.nd.array(value) for name, value in inputs.items()})
    return [output.asnumpy() for output in executor.outputs]


def random_weights(symbol, seed: int) -> dict[str, np.ndarray]:
    random = np.random.RandomState(seed)
    arguments, _, auxiliary = symbol.infer_shape(data=(1, 3, SIDE_PX, SIDE_PX))
    weights = {
        name: random.normal(0, 0.3, shape).astype(np.float32)
        for name, shape in zip(symbol.list_arguments(), arguments, strict=True)
    }
    for name, shape in zip(symbol.list_auxiliary_states(), auxiliary, strict=True):
        weights[name] = np.ones(shape, dtype=np.float32) * (1.0 if name.endswith("var") else 0.0)
    _, fixed = normalization_parameters([127.5] * 3, [60.0] * 3)
    weights.update({name: value.asnumpy() for name, value in fixed.items()})
    return weights


@pytest.mark.parametrize("seed", range(5))
def test_the_runtime_decodes_the_heads_as_mxnet_does(seed: int) -> None:
    maps, heads = small_detector()
    deployed, exported = deploy_symbol(heads, SPEC), export_symbol(heads)
    weights = random_weights(deployed, seed)
    picture = np.random.RandomState(seed).uniform(0, 255, (1, 3, SIDE_PX, SIDE_PX)).astype(np.float32)
    (rows,) = run(deployed, weights, data=picture)
    by_mxnet = rows[0][rows[0, :, 0] >= 0]
    scores, offsets = run(exported, weights, data=picture)

    block = detection_block(maps)
    found = ssd.decode(scores, offsets, ssd.priors(block), block, min_score=0.01)

    by_runtime = np.array([[b.label_index, b.score, b.box.xmin, b.box.ymin, b.box.xmax, b.box.ymax] for b in found])
    # MXNet drops candidates beyond the 100 surest before it suppresses, the runtime keeps up to 100 after: the surest
    # of both are the same boxes.
    sure = min(len(by_mxnet), len(by_runtime), 20)
    assert sure > 5
    assert by_runtime[:sure] == pytest.approx(by_mxnet[:sure], abs=1e-4)


def test_the_small_network_has_documented_operators_only() -> None:
    _, heads = small_detector()
    documented = set(json.loads(Path("training/operators.json").read_text())["awscam"])
    assert operators(deploy_symbol(heads, SPEC)) <= documented


def test_priors_are_concatenated_in_the_form_that_mo_converts() -> None:
    _, heads = small_detector()
    nodes = json.loads(deploy_symbol(heads, SPEC).tojson())["nodes"]
    by_name = {node["name"]: node for node in nodes}
    priors = by_name["priors"]
    concat = nodes[priors["inputs"][0][0]]
    flattened = [nodes[entry[0]] for entry in concat["inputs"]]
    assert priors["op"] == "Reshape"
    assert priors["attrs"]["shape"] == "(0, -1, 4)"
    assert (concat["op"], concat["attrs"]["dim"]) == ("Concat", "1")
    assert {node["op"] for node in flattened} == {"Flatten"}
    assert {nodes[node["inputs"][0][0]]["op"] for node in flattened} == {"_contrib_MultiBoxPrior"}
    assert by_name["cls_prob"]["op"] == "SoftmaxActivation"
    assert by_name["cls_prob"]["attrs"]["mode"] == "channel"


def test_the_loss_is_one_number_a_frame_and_falls_when_the_network_learns_it() -> None:
    _, heads = small_detector()
    pixels = np.full((SIDE_PX, SIDE_PX, 3), 40, dtype=np.uint8)
    pixels[16:32, 20:40] = 220
    frames = [make_frame(pixels, [(1, 20 / SIDE_PX, 0.25, 40 / SIDE_PX, 0.5)])] * 2
    module = mx.mod.Module(loss_symbol(heads, SPEC), data_names=["data"], label_names=["boxes"])
    module.bind([("data", (2, 3, SIDE_PX, SIDE_PX))], [("boxes", (2, 3, 5))])
    mx.random.seed(0)
    np.random.seed(0)
    module.init_params(mx.init.Xavier())
    module.init_optimizer(optimizer="adam", optimizer_params={"learning_rate": 0.01})
    batch = mx.io.DataBatch([mx.nd.array(batch_pixels(frames))], [mx.nd.array(batch_labels(frames, 3))])
    losses = []
    for _ in range(15):
        module.forward_backward(batch)
        module.update()
        losses.append(module.get_outputs()[0].asnumpy())
    assert losses[0].shape == (2,)
    assert losses[-1].mean() < 0.3 * losses[0].mean()


def test_a_frame_without_objects_has_a_loss_too() -> None:
    _, heads = small_detector()
    loss = loss_symbol(heads, SPEC)
    weights = random_weights(export_symbol(heads), 1)
    picture = np.zeros((1, 3, SIDE_PX, SIDE_PX), dtype=np.float32)
    (value,) = run(loss, weights, data=picture, boxes=np.full((1, 2, 5), -1, dtype=np.float32))
    assert np.isfinite(value).all()


def test_a_coarser_map_has_half_the_resolution() -> None:
    maps = with_coarser_map(small_feature_maps((16, 16, 32), 1), 32)
    assert maps.sizes(64, 64) == ((8, 8), (4, 4))


def test_feature_maps_of_a_checkpoint_are_found_by_stride_and_early_layers_stay_fixed(tmp_path: Path) -> None:
    layer = mx.sym.Variable("data")
    for index in range(5):
        layer = mx.sym.Pad(layer, mode="constant", pad_width=(0, 0, 0, 0, 0, 1, 0, 1), name=f"pad{index}")
        layer = mx.sym.Convolution(layer, kernel=(3, 3), stride=(2, 2), num_filter=16, name=f"stage{index}")
        layer = mx.sym.Activation(layer, act_type="relu", name=f"stage{index}_relu")
    network = mx.sym.Pooling(layer, global_pool=True, pool_type="avg", kernel=(1, 1), name="pool")
    module = mx.mod.Module(network, label_names=None)
    module.bind([("data", (1, 3, 64, 64))], for_training=False)
    module.init_params()
    module.save_checkpoint(str(tmp_path / "net"), 0)

    maps = pretrained_feature_maps(tmp_path / "net", 64, trainable_convolutions=2, strides=(8, 16))

    assert [symbol.name for symbol in maps.symbols] == ["stage2_relu", "stage3_relu"]
    assert {"stage0_weight", "stage1_weight", "stage2_bias"} <= set(maps.fixed)
    assert not {"stage3_weight", "stage4_weight"} & set(maps.fixed)
    assert "stage0_weight" in maps.parameters
    with pytest.raises(TrainingError, match="no feature map"):
        pretrained_feature_maps(tmp_path / "net", 64, 2, strides=(3,))


def test_priors_fit_the_objects_and_grow_with_the_maps() -> None:
    sides = (0.1, 0.15, 0.2, 0.4, 0.5, 0.6)
    pixels = np.zeros((8, 8, 3), dtype=np.uint8)
    frames = [make_frame(pixels, [(0, 0.0, 0.0, side, side)]) for side in sides]
    fine, coarse = fit_anchors(frames, 2, (1.0, 2.0, 0.5))
    assert 0.09 < fine.sizes[0] < fine.sizes[1] < coarse.sizes[0] < coarse.sizes[1] <= 0.61
    with pytest.raises(TrainingError, match="no training frame has a box"):
        fit_anchors([make_frame(pixels, [])], 2, (1.0,))
