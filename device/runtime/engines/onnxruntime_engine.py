"""ONNX Runtime on the processor: the default."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, Optional, Tuple, Type

from device.runtime.engines.engine import Engine, EngineError, check_names, vendor_library, wanted_outputs
from device.runtime.manifest_types import ONNX_FILE, Manifest

if TYPE_CHECKING:
    from device.runtime.tensor import FloatArray

_ERRORS_ONLY = 3
_SPIN_US = 100
_SPINS_BRIEFLY = (1, 26)  # the first release that can be told for how long
_HINT = "install it with: pip install onnxruntime"


class OnnxruntimeEngine(Engine):
    name = "onnxruntime"

    def __init__(self, session: Any, manifest: Manifest, version: str) -> None:
        self._session = session
        self._input = manifest.input.name
        self._outputs = wanted_outputs(manifest.outputs)
        self._version = version
        self._failures = _failures()
        check_names(self.name, "input", [self._input], [each.name for each in session.get_inputs()])
        check_names(self.name, "output", self._outputs, [each.name for each in session.get_outputs()])

    @classmethod
    def load(cls, folder: Path, manifest: Manifest, threads: Optional[int]) -> OnnxruntimeEngine:
        library = vendor_library("onnxruntime", _HINT)
        path = folder / ONNX_FILE
        try:
            session = library.InferenceSession(
                str(path), session_options(library, threads), providers=["CPUExecutionProvider"]
            )
        except _failures() as error:
            raise EngineError("onnxruntime cannot load %s: %s" % (path.name, error)) from error
        return cls(session, manifest, library.__version__)

    @property
    def version(self) -> str:
        return self._version

    def run(self, tensor: FloatArray) -> Dict[str, FloatArray]:
        try:
            answers = self._session.run(self._outputs, {self._input: tensor})
        except self._failures as error:
            raise EngineError("onnxruntime cannot run the model: %s" % error) from error
        return dict(zip(self._outputs, answers))

    def close(self) -> None:
        self._session = None


def session_options(library: Any, threads: Optional[int]) -> Any:
    options = library.SessionOptions()
    # Below that it only reports initializers it moves and devices it does not look for: nothing to act on.
    options.log_severity_level = _ERRORS_ONLY
    options.inter_op_num_threads = 1
    # Its threads look out for more work when they have done theirs: briefly, so that the next layer need not wake them,
    # and not for milliseconds, as they do by themselves, on the cores that decode the next photos.
    if _release(library.__version__) >= _SPINS_BRIEFLY:
        options.add_session_config_entry("session.intra_op.spin_duration_us", str(_SPIN_US))
    else:
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if threads:
        options.intra_op_num_threads = threads
    return options


def _release(version: str) -> Tuple[int, ...]:
    return tuple(int(number) for number in version.split(".")[:2])


def _failures() -> Tuple[Type[Exception], ...]:
    """The library's exceptions share no class of its own; which there are depends on the version."""
    state = vendor_library("onnxruntime.capi.onnxruntime_pybind11_state", _HINT)
    own = [each for each in vars(state).values() if isinstance(each, type) and issubclass(each, Exception)]
    return (*own, RuntimeError, ValueError, TypeError)
