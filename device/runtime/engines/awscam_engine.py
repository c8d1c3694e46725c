"""The GPU of a DeepLens: its own `mo` converts on the device, its own library infers.

The device's `mo` and engine are of 2018 and refuse the files of newer ones: nothing converted elsewhere can be sent.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import shutil
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, List, NamedTuple, Optional, Tuple

import numpy as np

from device.runtime.engines.engine import BOXES, Engine, EngineError, vendor_library
from device.runtime.manifest_types import Manifest

if TYPE_CHECKING:
    from device.runtime.tensor import FloatArray

log = logging.getLogger(__name__)
ARTIFACTS = Path(os.environ.get("BINSIGHT_AWSCAM_ARTIFACTS", "/opt/awscam/artifacts"))
_HINT = "it is on a DeepLens only, from version 1.4.5 for Python 3.7"
_SYMBOL = re.compile(r"(.+)-symbol\.json\Z")
_DIGEST = re.compile(r"[0-9a-f]{64}\Z")


class Converted(NamedTuple):
    """digest: of the .xml and the .bin."""

    path: str
    digest: str


class AwscamEngine(Engine):
    name = "awscam"

    def __init__(self, model: Any, library: Any, manifest: Manifest, digest: str) -> None:
        self._model, self._library, self._manifest = model, library, manifest
        self._base = manifest.detection.label_base if manifest.detection else 0
        self._lock = threading.Lock()
        self.ir_digest = digest

    @classmethod
    def load(cls, folder: Path, manifest: Manifest, threads: Optional[int]) -> AwscamEngine:
        """threads: without effect."""
        # Before anything imports cv2: afterwards its import fails with an undefined symbol.
        library = vendor_library("awscam", _HINT)
        converted = convert(folder, manifest, vendor_library("mo", _HINT))
        try:
            model = library.Model(converted.path, {"GPU": 1}, 0)
        except (RuntimeError, OSError, ValueError, TypeError) as error:
            raise EngineError("awscam cannot load %s: %s" % (Path(converted.path).name, error)) from error
        return cls(model, library, manifest, converted.digest)

    @property
    def version(self) -> str:
        return str(getattr(self._library, "__version__", "unknown"))

    def run(self, tensor: FloatArray) -> Dict[str, FloatArray]:
        """The library takes a frame: uint8, height x width x 3, in the manifest's order of colours."""
        planes = tensor[0] if self._manifest.input.layout == "NHWC" else tensor[0].transpose(1, 2, 0)
        frame = np.ascontiguousarray(planes, dtype=np.uint8)
        kind = "ssd" if self._manifest.task == "detect" else "classification"
        try:
            with self._lock:
                found = self._model.parseResult(kind, self._model.doInference(frame))[kind]
            return self._boxes(found) if kind == "ssd" else self._probabilities(found)
        except EngineError:
            raise
        except (RuntimeError, OSError, ValueError, TypeError, KeyError) as error:
            raise EngineError("awscam cannot run the model: %s" % error) from error

    def close(self) -> None:
        self._model = None

    def _probabilities(self, found: List[Dict[str, Any]]) -> Dict[str, FloatArray]:
        """The library sorts by probability; a class that it leaves out has none."""
        values = np.zeros(len(self._manifest.labels), dtype=np.float32)
        for each in found:
            values[self._index(each)] = float(each["prob"])
        return {self._manifest.outputs.probabilities: values[np.newaxis]}

    def _boxes(self, found: List[Dict[str, Any]]) -> Dict[str, FloatArray]:
        """The library answers in pixels of the input, also outside of it; a row that it left empty is no box."""
        width, height = self._manifest.input.width, self._manifest.input.height
        filled = [each for each in found if float(each["prob"]) > 0]
        rows = [[self._index(each), float(each["prob"]), *_shares(each, width, height)] for each in filled]
        return {BOXES: np.array(rows, dtype=np.float32).reshape(-1, 6)}

    def _index(self, found: Dict[str, Any]) -> int:
        """The documentation shows a text where the code gives a number. Raises: EngineError."""
        index = int(found["label"]) - self._base
        if not 0 <= index < len(self._manifest.labels):
            raise EngineError("awscam answered class %r; the manifest has none" % found["label"])
        return index


def _shares(found: Dict[str, Any], width: int, height: int) -> Tuple[float, float, float, float]:
    xmin, xmax = (min(1.0, max(0.0, float(found[side]) / width)) for side in ("xmin", "xmax"))
    ymin, ymax = (min(1.0, max(0.0, float(found[side]) / height)) for side in ("ymin", "ymax"))
    return xmin, ymin, xmax, ymax


def convert(folder: Path, manifest: Manifest, optimizer: Any) -> Converted:
    """Under a name that holds the model's digest, so that no other model's file can be taken for it.

    Converted once; afterwards the files' own digest is compared. Raises: EngineError.
    """
    name = model_name(folder)
    record, paths = ARTIFACTS / (name + ".json"), [ARTIFACTS / (name + ending) for ending in (".xml", ".bin")]
    if record.exists() and _recorded(record) == _digest(paths):
        return Converted(str(paths[0]), _digest(paths))
    for path in paths:
        if path.exists():
            path.unlink()
    try:
        _copy_weights(folder, manifest, name)
        status, path = optimizer.optimize(name, manifest.input.width, manifest.input.height)
    except (RuntimeError, OSError, ValueError) as error:
        raise EngineError("mo cannot convert the model: %s" % error) from error
    if status != 0 or not all(each.exists() for each in paths):
        raise EngineError("mo.optimize ended with status %s; see its output, and that mxnet is installed" % status)
    part = record.with_name(record.name + ".part")
    part.write_text(json.dumps({"digest": _digest(paths)}), encoding="utf-8")
    part.replace(record)
    return Converted(str(path), _digest(paths))


def model_name(folder: Path) -> str:
    """A slot's name is its digest already; any other folder's model is named after its manifest."""
    if _DIGEST.match(folder.name):
        return "binsight-" + folder.name
    return "binsight-" + hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()


def remove_conversions(kept: List[str]) -> None:
    """What earlier models left; nobody else cleans this disk. kept: digests."""
    names = {"binsight-" + digest for digest in kept}
    for path in ARTIFACTS.glob("binsight-*"):
        if not any(path.name.startswith(name) for name in names):
            try:
                path.unlink()
            except OSError as error:
                log.warning("%s cannot be removed: %s", path.name, error)


def _copy_weights(folder: Path, manifest: Manifest, name: str) -> None:
    files = [entry.name for entry in manifest.files]
    prefixes = [match.group(1) for match in map(_SYMBOL.match, files) if match]
    if not prefixes or prefixes[0] + "-0000.params" not in files:
        raise EngineError("awscam needs <name>-symbol.json and <name>-0000.params; the model has %s" % ", ".join(files))
    for ending in ("-symbol.json", "-0000.params"):
        shutil.copyfile(str(folder / (prefixes[0] + ending)), str(ARTIFACTS / (name + ending)))


def _digest(paths: List[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.read_bytes() if path.exists() else b"")
    return digest.hexdigest()


def _recorded(record: Path) -> Optional[str]:
    try:
        document = json.loads(record.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return document.get("digest") if isinstance(document, dict) else None
