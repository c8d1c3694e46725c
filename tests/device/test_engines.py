from __future__ import annotations

import importlib
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Dict, List

import numpy as np
import pytest

from device.runtime.engines import EngineError, EngineUnavailableError, engine, load_engine
from device.runtime.engines.onnxruntime_engine import session_options
from device.runtime.manifest import read_manifest
from tests.device.models import model_folder


def installed(name: str) -> bool:
    try:
        importlib.import_module(name)
    except ImportError:
        return False
    return True


ENGINES = [
    pytest.param(name, marks=pytest.mark.skipif(not installed(name), reason=f"{name} is not installed here"))
    for name in ("onnxruntime", "openvino")
]


def loaded(folder: Path, name: str, **options: Any) -> Any:
    return load_engine(name, folder, read_manifest(folder), **options)


def block(red: float) -> Any:
    tensor = np.zeros((1, 3, 32, 32), dtype=np.float32)
    tensor[0, 0] = red
    return tensor


@pytest.mark.parametrize("name", ENGINES)
def test_an_engine_answers_the_outputs_that_the_manifest_names(tmp_path: Path, name: str) -> None:
    answer = loaded(model_folder(tmp_path / "model"), name, threads=1).run(block(255))
    assert set(answer) == {"prob", "features"}
    assert answer["features"].reshape(-1) == pytest.approx([1, 0, 0], abs=1e-5)
    assert answer["prob"].reshape(-1) == pytest.approx([0.99933, 0.000335, 0.000335], abs=1e-4)
    assert answer["prob"].dtype == np.float32


@pytest.mark.parametrize(
    ("version", "entries"),
    [
        ("1.14.1", {"session.intra_op.allow_spinning": "0"}),
        ("1.25.0", {"session.intra_op.allow_spinning": "0"}),
        ("1.26.0", {"session.intra_op.spin_duration_us": "100"}),
        ("1.31.1", {"session.intra_op.spin_duration_us": "100"}),
        ("2.0.0rc1", {"session.intra_op.spin_duration_us": "100"}),
    ],
)
def test_onnxruntimes_threads_spin_briefly_or_where_that_cannot_be_said_not_at_all(version: str, entries: Any) -> None:
    """An option that a release does not know, it leaves out in silence; its threads would spin for milliseconds."""
    library = SimpleNamespace(__version__=version, SessionOptions=RecordedOptions)
    assert session_options(library, None).entries == entries


class RecordedOptions:
    def __init__(self) -> None:
        self.entries: Dict[str, str] = {}

    def add_session_config_entry(self, name: str, value: str) -> None:
        self.entries[name] = value


@pytest.mark.parametrize("name", ENGINES)
def test_an_engine_may_be_run_from_several_threads(tmp_path: Path, name: str) -> None:
    shared = loaded(model_folder(tmp_path / "model"), name, threads=1)
    wrong: List[float] = []

    def ask(red: float) -> None:
        for _ in range(50):
            features = shared.run(block(red))["features"].reshape(-1)
            if abs(features[0] - red / 255) > 1e-4:
                wrong.append(red)

    threads = [threading.Thread(target=ask, args=(red,)) for red in (10.0, 80.0, 160.0, 240.0)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize("name", ENGINES)
def test_an_engine_says_its_version(tmp_path: Path, name: str) -> None:
    assert loaded(model_folder(tmp_path / "model"), name).version[0].isdigit()


@pytest.mark.parametrize("name", ENGINES)
def test_a_network_that_is_damaged_is_an_engine_error(tmp_path: Path, name: str) -> None:
    folder = model_folder(tmp_path / "model")
    (folder / "model.onnx").write_bytes(b"\x08\x08no network at all")
    with pytest.raises(EngineError, match=r"cannot load model\.onnx"):
        loaded(folder, name)


@pytest.mark.parametrize("name", ENGINES)
def test_an_input_of_another_size_is_an_engine_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(EngineError, match="cannot run the model"):
        loaded(model_folder(tmp_path / "model"), name).run(np.zeros((1, 3, 16, 16), dtype=np.float32))


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"outputs": {"probabilities": "softmax", "features": None}}, "no output 'softmax', it has prob, features"),
        (
            {
                "input": {
                    "name": "image", "width": 32, "height": 32, "color_order": "RGB", "layout": "NCHW", "fit": "squash",
                }
            },
            "no input 'image', it has data",
        ),
    ],
)  # fmt: skip
def test_a_name_that_the_network_lacks_is_told(tmp_path: Path, name: str, changes: Any, message: str) -> None:
    with pytest.raises(EngineError, match=message):
        loaded(model_folder(tmp_path / "model", **changes), name)


def test_a_missing_library_disables_its_engine_only(tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailableError, match="no_such_library cannot be loaded"):
        engine.vendor_library("no_such_library", "install it")


@pytest.mark.skipif(installed("mxnet"), reason="mxnet is installed here")
def test_mxnet_without_mxnet_says_how_to_get_it(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "model")
    (folder / "model-symbol.json").write_text("{}", encoding="utf-8")
    document = dict(read_manifest(folder).raw, engines=["mxnet"])
    document["files"]["model-symbol.json"] = {"sha256": "0" * 64, "bytes": 2}
    (folder / "manifest.json").write_text(importlib.import_module("json").dumps(document), encoding="utf-8")
    with pytest.raises(EngineUnavailableError, match=r"pip install mxnet==1\.9\.1"):
        loaded(folder, "mxnet")


def test_an_engine_that_the_manifest_does_not_name_is_refused(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "model", engines=["openvino"])
    with pytest.raises(EngineUnavailableError, match="does not run on onnxruntime; its manifest names openvino"):
        loaded(folder, "onnxruntime")


def test_an_engine_that_there_is_not_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailableError, match="there is no engine 'tensorrt' here"):
        loaded(model_folder(tmp_path / "model"), "tensorrt")
