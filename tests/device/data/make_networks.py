"""Writes the small networks beside it: `python make_networks.py` where onnx 1.18 is installed.

They infer: weights set by hand, raw 0-255 input, the mean colour of the photo decides.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

HERE = Path(__file__).parent
SIDE_PX = 32
CELLS = 4


def constant(name: str, values: object) -> TensorProto:
    return numpy_helper.from_array(np.asarray(values, dtype=np.float32), name)


def save(name: str, nodes: list, outputs: dict, constants: list) -> None:
    inputs = [helper.make_tensor_value_info("data", TensorProto.FLOAT, [1, 3, SIDE_PX, SIDE_PX])]
    results = [helper.make_tensor_value_info(key, TensorProto.FLOAT, shape) for key, shape in outputs.items()]
    graph = helper.make_graph(nodes, name, inputs, results, constants)
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8, producer_name="binsight"
    )
    onnx.checker.check_model(model)
    (HERE / name).write_bytes(model.SerializeToString())


def colors() -> None:
    """Red, green or blue: which mean is the largest; features: the means, 0-1."""
    weights = np.eye(3).reshape(3, 3, 1, 1) / 255
    nodes = [
        helper.make_node("Conv", ["data", "scale"], ["scaled"]),
        helper.make_node("GlobalAveragePool", ["scaled"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["features"]),
        helper.make_node("MatMul", ["features", "gain"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["prob"], axis=1),
    ]
    save(
        "colors.onnx",
        nodes,
        {"prob": [1, 3], "features": [1, 3]},
        [constant("scale", weights), constant("gain", np.eye(3) * 8)],
    )


def brightness_count() -> None:
    """Counts 0-5 by brightness: black is none, white is five."""
    steps = np.arange(6) / 5
    # -k (b - s)^2 without what all share: k (2 b s - s^2)
    nodes = [
        helper.make_node("Conv", ["data", "mean"], ["grey"]),
        helper.make_node("GlobalAveragePool", ["grey"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["features"]),
        helper.make_node("MatMul", ["features", "gain"], ["linear"]),
        helper.make_node("Add", ["linear", "bias"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["prob"], axis=1),
    ]
    save(
        "count.onnx",
        nodes,
        {"prob": [1, 6], "features": [1, 1]},
        [
            constant("mean", np.full((1, 3, 1, 1), 1 / 765)),
            constant("gain", [200 * steps]),
            constant("bias", -100 * steps**2),
        ],
    )


def blobs() -> None:
    """Red and blue blocks on grey: one anchor for each of 4 x 4 cells, of the cell's own size."""
    red = np.array([2, -1, -1]) / 255
    blue = np.array([-1, -1, 2]) / 255
    weights = np.stack([np.zeros(3), red, blue]).reshape(3, 3, 1, 1) * 6
    side = SIDE_PX // CELLS
    nodes = [
        helper.make_node("AveragePool", ["data"], ["cells"], kernel_shape=[side, side], strides=[side, side]),
        helper.make_node("Conv", ["cells", "weights", "bias"], ["scores"]),
        helper.make_node("Reshape", ["scores", "score_shape"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["cls_prob"], axis=1),
        helper.make_node("Conv", ["cells", "no_weights"], ["no_move"]),
        helper.make_node("Reshape", ["no_move", "offset_shape"], ["loc"]),
    ]
    shapes = [
        numpy_helper.from_array(np.array([1, 3, CELLS * CELLS], dtype=np.int64), "score_shape"),
        numpy_helper.from_array(np.array([1, CELLS * CELLS * 4], dtype=np.int64), "offset_shape"),
    ]
    save(
        "blobs.onnx",
        nodes,
        {"cls_prob": [1, 3, CELLS * CELLS], "loc": [1, CELLS * CELLS * 4]},
        [
            constant("weights", weights),
            constant("bias", [3.0, 0, 0]),
            constant("no_weights", np.zeros((4, 3, 1, 1))),
            *shapes,
        ],
    )


if __name__ == "__main__":
    colors()
    brightness_count()
    blobs()
