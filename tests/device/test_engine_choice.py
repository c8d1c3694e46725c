"""engine and engine_device of agent.json: what cannot be had is named before any model is blamed for it."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any, Dict, List

import pytest

from device.__main__ import main
from device.config import ConfigError, read_config
from device.engine_choice import EngineChoice
from device.model_store import ModelStore
from device.runtime.engines import EngineUnavailableError
from tests.device.agents import Made
from tests.device.models import model_folder
from tests.device.service_stand_in import Service
from tests.device.test_config import written
from tests.device.test_station import agent_json


class Port:
    def __init__(self, name: str) -> None:
        self.names = [name]


class Compiled:
    inputs, outputs = (Port("data"),), (Port("prob"), Port("features"))


def stand_in(devices: List[str]) -> Any:
    """For openvino; `compiled` remembers for which device and how."""
    library = types.ModuleType("openvino")

    class Core:
        available_devices = devices

        def read_model(self, path: str) -> str:
            return path

        def compile_model(self, model: str, device: str, options: Dict[str, Any]) -> Compiled:
            library.compiled = (Path(model).name, device, options)  # type: ignore[attr-defined]
            return Compiled()

    library.Core, library.__version__ = Core, "2023.1.0"  # type: ignore[attr-defined]
    return library


def test_agent_json_chooses_the_gpu_for_openvino(tmp_path: Path) -> None:
    config = read_config(written(tmp_path, engine="openvino", engine_device="GPU", threads=2))
    assert config.engine == EngineChoice("openvino", 2, "GPU")
    assert read_config(written(tmp_path, engine="openvino")).engine.processor == "CPU"


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"engine": "onnxruntime", "engine_device": "GPU"}, "engine_device: GPU is for the engine openvino"),
        ({"engine": "openvino", "engine_device": "NPU"}, "engine_device: must be one of"),
    ],
)
def test_a_device_that_the_engine_does_not_have_is_named(tmp_path: Path, changes: Any, named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        read_config(written(tmp_path, **changes))


@pytest.mark.parametrize("devices", [["CPU", "GPU"], ["CPU", "GPU.0", "GPU.1"]])
def test_the_model_is_compiled_for_the_gpu_that_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, devices: List[str]
) -> None:
    library = stand_in(devices)
    monkeypatch.setitem(sys.modules, "openvino", library)
    predictor = EngineChoice("openvino", 2, "GPU").load(model_folder(tmp_path / "model"))
    assert predictor.manifest.name == "waste"
    name, device, options = library.compiled
    assert (name, device) == ("model.onnx", "GPU")
    assert options["INFERENCE_PRECISION_HINT"] == "f32"


def test_a_model_that_is_not_made_for_openvino_is_not_run_on_its_gpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", stand_in(["CPU", "GPU"]))
    slot = model_folder(tmp_path / "model", engines=["onnxruntime"])
    with pytest.raises(EngineUnavailableError, match="its manifest names onnxruntime"):
        EngineChoice("openvino", None, "GPU").load(slot)


def test_a_gpu_that_is_not_there_is_named_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", stand_in(["CPU"]))
    with pytest.raises(EngineUnavailableError, match="no GPU here, only CPU: install Intel's driver"):
        EngineChoice("openvino", None, "GPU").check()


def test_the_real_openvino_says_what_it_has() -> None:
    library: Any = pytest.importorskip("openvino", reason="openvino is not installed here")
    assert EngineChoice("openvino").check()[0].isdigit()
    if any(each.startswith("GPU") for each in library.Core().available_devices):
        pytest.skip("this machine has a GPU for OpenVINO")
    with pytest.raises(EngineUnavailableError, match="no GPU here, only CPU"):
        EngineChoice("openvino", None, "GPU").check()


@pytest.mark.parametrize("command", ["run", "doctor"])
def test_without_its_gpu_the_agent_ends_with_the_reason_and_keeps_its_models(
    tmp_path: Path,
    service: Service,
    first: Made,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", stand_in(["CPU"]))
    config = agent_json(tmp_path, service, engine="openvino", engine_device="GPU")
    store = ModelStore(tmp_path / "home" / "models", keep_free_bytes=0)
    digest = service.promote(*first)
    store.stage(first[0], digest)
    store.activate(digest, "promotion-1")
    store.confirm()
    assert main([command, str(config)]) == 1
    said = capsys.readouterr()
    assert "finds no GPU here" in said.out + said.err
    assert ModelStore(tmp_path / "home" / "models").pointer.active == digest


def test_a_library_that_is_missing_is_named_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(EngineUnavailableError, match="pip install openvino"):
        EngineChoice("openvino").check()
