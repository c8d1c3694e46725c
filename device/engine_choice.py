"""Which engine answers, and on which processor: as agent.json says it."""

from __future__ import annotations

from pathlib import Path
from typing import List, NamedTuple, Optional

from device.runtime.engines import EngineUnavailableError
from device.runtime.engines.engine import vendor_library
from device.runtime.engines.openvino_engine import OpenvinoEngine
from device.runtime.manifest import read_manifest
from device.runtime.predictor import Predictor
from device.runtime.references import load_references

CPU, GPU = "CPU", "GPU"
PROCESSORS = (CPU, GPU)
_NO_GPU = (
    "OpenVINO finds no GPU here, only %s: install Intel's driver (intel-opencl-icd), let this user into the groups "
    "render and video, or leave engine_device out"
)
_HINTS = {"onnxruntime": "pip install onnxruntime", "openvino": "pip install openvino", "mxnet": "pip install mxnet"}
_ON_DEEPLENS = "it is on a DeepLens only, from version 1.4.5 for Python 3.7"


class EngineChoice(NamedTuple):
    """processor: GPU with openvino only; awscam's own is always the GPU."""

    name: str = "onnxruntime"
    threads: Optional[int] = None
    processor: str = CPU

    def check(self) -> str:
        """The library's version. Raises: EngineUnavailableError when it cannot run here, whatever the model."""
        hint = "install it with: " + _HINTS[self.name] if self.name in _HINTS else _ON_DEEPLENS
        library = vendor_library(self.name, hint)
        if self.name == "openvino" and not hasattr(library, "Core"):
            # Of old versions: what they need themselves is missing, and they only warn.
            raise EngineUnavailableError("openvino is installed, but something that it needs is not; " + hint)
        if self.processor != CPU:
            self._check_processor(list(library.Core().available_devices))
        return str(getattr(library, "__version__", "unknown"))

    def load(self, folder: Path) -> Predictor:
        """folder: of an unpacked model. Raises: ManifestError, EngineError, EngineUnavailableError."""
        if self.processor == CPU:
            return Predictor.load(folder, self.name, self.threads)
        manifest = read_manifest(folder)
        if self.name not in manifest.engines:
            raise EngineUnavailableError(
                "model %r does not run on %s; its manifest names %s"
                % (manifest.name, self.name, ", ".join(manifest.engines))
            )
        self.check()
        references = load_references(folder, manifest)
        engine = OpenvinoEngine.load(folder, manifest, self.threads, self.processor)
        return Predictor(manifest, engine, folder, references)

    def arguments(self) -> List[str]:
        """Of a command that makes the same choice."""
        threads = ["--threads", str(self.threads)] if self.threads else []
        return ["--engine", self.name, "--engine-device", self.processor, *threads]

    def _check_processor(self, found: List[str]) -> None:
        """Several are called GPU.0, GPU.1. Raises: EngineUnavailableError."""
        if not any(each.partition(".")[0] == self.processor for each in found):
            raise EngineUnavailableError(_NO_GPU % (", ".join(found) or "nothing"))
