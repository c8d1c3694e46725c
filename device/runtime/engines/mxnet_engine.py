"""MXNet on the processor, where training is: slow to start and large, never for the API or a camera."""

from __future__ import annotations

import re
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, Optional

import numpy as np

from device.runtime.engines.engine import Engine, EngineError, check_names, vendor_library, wanted_outputs
from device.runtime.manifest_types import Manifest

if TYPE_CHECKING:
    from device.runtime.tensor import FloatArray

_HINT = "it needs Python 3.7 to 3.11 and: pip install mxnet==1.9.1 numpy==1.23.5"
_SYMBOL = re.compile(r"(.+)-symbol\.json\Z")
_PARAMS = re.compile(r"(.+)-(\d{4})\.params\Z")


class MxnetEngine(Engine):
    name = "mxnet"

    def __init__(self, module: Any, manifest: Manifest, library: Any) -> None:
        self._module = module
        self._input = manifest.input.name
        self._outputs = wanted_outputs(manifest.outputs)
        self._library = library
        # A bound module has one set of buffers.
        self._lock = threading.Lock()

    @classmethod
    def load(cls, folder: Path, manifest: Manifest, threads: Optional[int]) -> MxnetEngine:
        """threads: without effect; MXNet reads OMP_NUM_THREADS when it is first imported."""
        library = vendor_library("mxnet", _HINT)
        prefix, epoch = _checkpoint(folder, manifest)
        try:
            symbol, arguments, auxiliary = library.model.load_checkpoint(str(folder / prefix), epoch)
            module = _bound(library, _inner(symbol, manifest), manifest)
            module.set_params(arguments, auxiliary, allow_missing=True, allow_extra=True)
        except (library.MXNetError, RuntimeError, ValueError, OSError) as error:
            raise EngineError("mxnet cannot load %s: %s" % (prefix, error)) from error
        return cls(module, manifest, library)

    @property
    def version(self) -> str:
        return str(self._library.__version__)

    def run(self, tensor: FloatArray) -> Dict[str, FloatArray]:
        batch = self._library.io.DataBatch([self._library.nd.array(tensor)])
        try:
            with self._lock:
                self._module.forward(batch, is_train=False)
                answers = [output.asnumpy() for output in self._module.get_outputs()]
        except (self._library.MXNetError, RuntimeError, ValueError) as error:
            raise EngineError("mxnet cannot run the model: %s" % error) from error
        return {name: np.asarray(answer, dtype=np.float32) for name, answer in zip(self._outputs, answers)}

    def close(self) -> None:
        self._module = None


def _checkpoint(folder: Path, manifest: Manifest) -> Any:
    """The prefix and the epoch of the checkpoint among the manifest's files."""
    names = [entry.name for entry in manifest.files]
    prefixes = [match.group(1) for match in map(_SYMBOL.match, names) if match]
    found = [match for match in map(_PARAMS.match, names) if match and match.group(1) in prefixes]
    if not found:
        raise EngineError("mxnet needs <name>-symbol.json and <name>-0000.params; the model has %s" % ", ".join(names))
    return found[-1].group(1), int(found[-1].group(2))


def _inner(symbol: Any, manifest: Manifest) -> Any:
    """The outputs that the manifest names, also those inside of the network."""
    inner = symbol.get_internals()
    present = [name[: -len("_output")] for name in inner.list_outputs() if name.endswith("_output")]
    wanted = wanted_outputs(manifest.outputs)
    check_names("mxnet", "output", wanted, present)
    return [inner[name + "_output"] for name in wanted]


def _bound(library: Any, outputs: Any, manifest: Manifest) -> Any:
    spec = manifest.input
    sides = (3, spec.height, spec.width) if spec.layout == "NCHW" else (spec.height, spec.width, 3)
    module = library.mod.Module(library.sym.Group(outputs), data_names=[spec.name], label_names=None)
    module.bind(data_shapes=[(spec.name, (1, *sides))], for_training=False)
    return module
