from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any, List

import numpy as np
import pytest

from device.runtime.artifact import describe_files
from device.runtime.engines import EngineError
from device.runtime.predictor import Predictor
from tests.device.models import BLUE, RED, manifest_document, model_folder, plain, png

mx = pytest.importorskip("mxnet", reason="mxnet is not installed here; run by the training environment")


def network() -> Any:
    """The network of colors.onnx, with the head that training leaves on it."""
    data = mx.sym.Variable("data")
    scaled = mx.sym.Convolution(data, kernel=(1, 1), num_filter=3, no_bias=True, name="scale")
    pooled = mx.sym.Pooling(scaled, global_pool=True, kernel=(1, 1), pool_type="avg")
    features = mx.sym.Flatten(pooled, name="features")
    logits = mx.sym.FullyConnected(features, num_hidden=3, no_bias=True, name="gain")
    return mx.sym.SoftmaxOutput(logits, name="prob")


def folder_of(folder: Path, **changes: Any) -> Path:
    model_folder(folder)
    weights = {
        "scale_weight": mx.nd.array(np.eye(3).reshape(3, 3, 1, 1) / 255),
        "gain_weight": mx.nd.array(np.eye(3) * 8),
    }
    mx.model.save_checkpoint(str(folder / "model"), 0, network(), weights, {})
    document = manifest_document(engines=["onnxruntime", "mxnet"], **changes)
    document["files"] = describe_files(folder)
    (folder / "manifest.json").write_text(json.dumps(document), encoding="utf-8")
    return folder


def test_mxnet_and_onnxruntime_answer_alike(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "model")
    photo = png(plain((180, 120, 60)))
    ours, other = (Predictor.load(folder, engine).predict(photo) for engine in ("mxnet", "onnxruntime"))
    assert ours.probabilities == pytest.approx(other.probabilities, abs=1e-5)
    assert ours.features == pytest.approx(other.features, abs=1e-5)


def test_mxnet_answers_the_self_test(tmp_path: Path) -> None:
    predictor = Predictor.load(folder_of(tmp_path / "model"), "mxnet")
    predictor.self_test()
    assert predictor.engine.version.startswith("1.9")


def test_mxnet_serves_several_threads(tmp_path: Path) -> None:
    predictor = Predictor.load(folder_of(tmp_path / "model"), "mxnet")
    wrong: List[str] = []

    def ask(photo: bytes, label: str) -> None:
        wrong.extend(label for _ in range(20) if predictor.predict(photo).result.label != label)

    photos = ((png(plain(RED)), "landfill"), (png(plain(BLUE)), "recycling"))
    threads = [threading.Thread(target=ask, args=pair) for pair in photos]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_an_output_that_the_symbol_lacks_is_told(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "model", outputs={"probabilities": "softmax", "features": None})
    with pytest.raises(EngineError, match="no output 'softmax'"):
        Predictor.load(folder, "mxnet")


def test_damaged_weights_are_an_engine_error(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "model")
    (folder / "model-0000.params").write_bytes(b"no weights")
    with pytest.raises(EngineError, match="mxnet cannot load model"):
        Predictor.load(folder, "mxnet")
