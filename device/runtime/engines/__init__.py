"""One file per engine; a vendor's library that is missing disables that engine only."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Dict, Optional, Tuple, Type

from device.runtime.engines.engine import BOXES, Engine, EngineError, EngineUnavailableError
from device.runtime.manifest_types import Manifest

__all__ = ["BOXES", "Engine", "EngineError", "EngineUnavailableError", "load_engine"]

_ENGINES: Dict[str, Tuple[str, str]] = {
    "onnxruntime": ("device.runtime.engines.onnxruntime_engine", "OnnxruntimeEngine"),
    "openvino": ("device.runtime.engines.openvino_engine", "OpenvinoEngine"),
    "mxnet": ("device.runtime.engines.mxnet_engine", "MxnetEngine"),
    "awscam": ("device.runtime.engines.awscam_engine", "AwscamEngine"),
}


def load_engine(name: str, folder: Path, manifest: Manifest, threads: Optional[int] = None) -> Engine:
    """folder: of the unpacked model. threads: None lets the vendor's library choose.

    Raises: EngineUnavailableError when it cannot run here; EngineError when the model cannot be loaded.
    """
    if name not in _ENGINES:
        raise EngineUnavailableError("there is no engine %r here; there are %s" % (name, ", ".join(sorted(_ENGINES))))
    if name not in manifest.engines:
        raise EngineUnavailableError(
            "model %r does not run on %s; its manifest names %s" % (manifest.name, name, ", ".join(manifest.engines))
        )
    module, class_name = _ENGINES[name]
    engine: Type[Engine] = getattr(importlib.import_module(module), class_name)
    return engine.load(folder, manifest, threads)
