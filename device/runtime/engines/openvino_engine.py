"""OpenVINO on the processor or Intel's GPU: reads the same ONNX file."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, Optional

import numpy as np

from device.runtime.engines.engine import Engine, EngineError, check_names, vendor_library, wanted_outputs
from device.runtime.manifest_types import ONNX_FILE, Manifest

if TYPE_CHECKING:
    from device.runtime.tensor import FloatArray


class OpenvinoEngine(Engine):
    name = "openvino"

    def __init__(self, compiled: Any, manifest: Manifest, version: str) -> None:
        self._compiled = compiled
        self._input = manifest.input.name
        self._outputs = wanted_outputs(manifest.outputs)
        self._version = version
        # A request holds its own tensors: one for each thread.
        self._requests = threading.local()
        check_names(self.name, "input", [self._input], [name for port in compiled.inputs for name in port.names])
        check_names(self.name, "output", self._outputs, [name for port in compiled.outputs for name in port.names])

    @classmethod
    def load(cls, folder: Path, manifest: Manifest, threads: Optional[int], processor: str = "CPU") -> OpenvinoEngine:
        """processor: OpenVINO's name for it, CPU or GPU."""
        library = vendor_library("openvino", "install it with: pip install openvino")
        # The same numbers as every other engine: left alone it computes in 16 bits where it can.
        options: Dict[str, Any] = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
        if threads and processor == "CPU":
            options["INFERENCE_NUM_THREADS"] = threads
        try:
            core = library.Core()
            compiled = core.compile_model(core.read_model(str(folder / ONNX_FILE)), processor, options)
        except RuntimeError as error:
            raise EngineError("openvino cannot load %s on %s: %s" % (ONNX_FILE, processor, error)) from error
        return cls(compiled, manifest, str(library.__version__))

    @property
    def version(self) -> str:
        return self._version

    def run(self, tensor: FloatArray) -> Dict[str, FloatArray]:
        try:
            request = self._request()
            request.infer({self._input: tensor})
            # Copied: the request's own memory is written to again by the next call.
            return {name: np.array(request.get_tensor(name).data) for name in self._outputs}
        except (RuntimeError, ValueError, TypeError) as error:
            raise EngineError("openvino cannot run the model: %s" % error) from error

    def close(self) -> None:
        self._requests = threading.local()
        self._compiled = None

    def _request(self) -> Any:
        if not hasattr(self._requests, "own"):
            self._requests.own = self._compiled.create_infer_request()
        return self._requests.own
