"""From MXNet's symbol and weights to the files that serve: model-symbol.json, model-0000.params and model.onnx."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from training.inference import channels_first
from training.mxnet_import import mx
from training.weights import Weights

PREFIX = "model"
ANSWERS = "mxnet-answers.npz"
OPSET, IR_VERSION = 13, 8  # what onnxruntime 1.14 on a Python 3.7 camera still reads
# Half precision's ten bits of mantissa: what is rounded away compresses away, in both files alike.
KEPT_MANTISSA_BITS = 10


@dataclass(frozen=True)
class ExportRequest:
    """`answer` ends in the operator DeepLens knows; `served_outputs` are the ONNX outputs, in order, by their names."""

    answer: Any
    weights: Weights
    input_name: str
    input_shape: tuple[int, ...]  # (1, 3, height, width)
    served_outputs: tuple[str, ...]


def rounded(weights: Weights) -> Weights:
    """Float32 weights with the mantissa of half precision, normalisation statistics included."""
    return {name: _round_mantissa(value) for name, value in weights.items()}


def _round_mantissa(values: NDArray[np.float32]) -> NDArray[np.float32]:
    dropped = 23 - KEPT_MANTISSA_BITS
    bits = np.ascontiguousarray(values, dtype=np.float32).view(np.uint32)
    kept = (bits + np.uint32(1 << (dropped - 1))) & ~np.uint32((1 << dropped) - 1)
    return kept.view(np.float32).reshape(values.shape)


def export(request: ExportRequest, photos: NDArray[np.uint8], folder: Path) -> None:
    arguments, auxiliary = _split(request)
    named = {f"arg:{name}": value for name, value in arguments.items()}
    named.update({f"aux:{name}": value for name, value in auxiliary.items()})
    request.answer.save(str(folder / f"{PREFIX}-symbol.json"))
    mx.nd.save(str(folder / f"{PREFIX}-0000.params"), named)
    export_onnx(request, named, folder / "model.onnx")
    write_answers(request, photos, folder / ANSWERS)


def _split(request: ExportRequest) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    def pick(names: list[str]) -> dict[str, Any]:
        return {name: mx.nd.array(request.weights[name]) for name in names if name in request.weights}

    return pick(request.answer.list_arguments()), pick(request.answer.list_auxiliary_states())


def served_symbol(request: ExportRequest) -> Any:
    """The symbol with softmax in place of the operators that DeepLens wants and MXNet's exporter does not translate."""
    internals = request.answer.get_internals()
    layers = {layer.name: layer for layer in (internals[output] for output in internals.list_outputs())}
    return mx.sym.Group([_served(layers[name]) for name in request.served_outputs])


def _served(layer: Any) -> Any:
    is_activation = layer.attr("mode") == "channel"  # SoftmaxActivation
    if f"{layer.name}_label" not in layer.list_arguments() and not is_activation:
        return layer
    return mx.sym.softmax(layer.get_children()[0], axis=1, name=layer.name)


def export_onnx(request: ExportRequest, named: Mapping[str, Any], path: Path) -> None:
    logging.getLogger().setLevel(logging.WARNING)  # the exporter logs every node at INFO
    symbol = served_symbol(request)
    needed = {*symbol.list_arguments(), *symbol.list_auxiliary_states()}
    parameters = {name[4:]: value for name, value in named.items() if name[4:] in needed}
    mx.onnx.export_model(symbol, parameters, [request.input_shape], np.float32, str(path))
    model = clean_graph(onnx.load(str(path)), request)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def clean_graph(model: Any, request: ExportRequest) -> Any:
    """Weights are not inputs (else nothing is folded: twice as slow), outputs come in the asked order."""
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in weights]
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    outputs = {value.name: value for value in model.graph.output}
    del model.graph.output[:]
    model.graph.output.extend(outputs[name] for name in request.served_outputs)
    used = {name for node in model.graph.node for name in node.input}
    kept = [tensor for tensor in model.graph.initializer if tensor.name in used]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    model.ir_version = IR_VERSION
    model.opset_import[0].version = OPSET
    model.producer_name = "binsight"
    return model


def write_answers(request: ExportRequest, photos: NDArray[np.uint8], path: Path) -> None:
    """MXNet's own answers to a few photos (n, h, w, 3): packaging holds the engine that serves against them."""
    inputs = channels_first(photos)
    executor = served_symbol(request).simple_bind(mx.cpu(), grad_req="null", **{request.input_name: inputs.shape})
    for held in (executor.arg_dict, executor.aux_dict):
        for name, value in held.items():
            if name in request.weights:
                value[:] = request.weights[name]
    executor.forward(is_train=False, **{request.input_name: mx.nd.array(inputs)})
    outputs = [output.asnumpy() for output in executor.outputs]
    np.savez(path, photos=photos, **dict(zip(request.served_outputs, outputs, strict=True)))
