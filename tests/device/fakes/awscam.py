"""Stands for the DeepLens' `awscam`, with its manners: frames are BGR and fail now and then, probabilities are of 16
bits and sorted, labels may be texts, boxes are in pixels and lie outside of the input. It really infers.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any, Dict, List, Tuple

import numpy as np
import onnxruntime

from device.runtime import ssd
from device.runtime.manifest_types import Detection

__version__ = "1.4.5"
frames: List[Any] = []
if "BINSIGHT_FAKE_FRAME" in os.environ:
    # A process of its own is told what its camera sees: blue, green, red.
    frames.append(np.full((48, 64, 3), [int(part) for part in os.environ["BINSIGHT_FAKE_FRAME"].split()], np.uint8))
failures_left = 0
if "cv2" in sys.modules:
    raise ImportError("/usr/lib/libawscam.so: undefined symbol: _ZN2cv8fastFreeEPv")


def getLastFrame() -> Tuple[bool, Any]:  # noqa: N802
    global failures_left
    if failures_left or not frames:
        failures_left = max(0, failures_left - 1)
        return False, None
    return True, frames[0]


class Model:
    def __init__(self, topology: str, device: Dict[str, int], runtime: int = 0) -> None:
        if runtime != 0 or not topology.endswith(".xml"):
            raise RuntimeError("runtime 0 takes the .xml that mo wrote")
        self._network = json.loads(Path(topology).read_text())
        if self._network["version"] > 2:
            raise RuntimeError("cannot parse future versions: %d" % self._network["version"])
        weights = Path(topology).with_suffix(".bin").read_bytes()
        self._session = onnxruntime.InferenceSession(weights, providers=["CPUExecutionProvider"])

    def doInference(self, frame: Any) -> Dict[str, Any]:  # noqa: N802
        if frame.shape != (self._network["height"], self._network["width"], 3) or frame.dtype != np.uint8:
            raise ValueError("the network takes uint8 height x width x 3, not %s %s" % (frame.dtype, frame.shape))
        tensor = frame.transpose(2, 0, 1)[np.newaxis].astype(np.float32)
        names = [each.name for each in self._session.get_outputs()]
        outputs = dict(zip(names, self._session.run(names, {self._session.get_inputs()[0].name: tensor})))
        if "multibox" not in self._network:
            return {"prob": outputs["prob"].astype(np.float16).astype(np.float32)}
        return {"detection_out": self._suppressed(outputs)}

    def parseResult(self, model_type: str, raw: Dict[str, Any]) -> Dict[str, List[Dict[str, Any]]]:  # noqa: N802
        (values,) = raw.values()
        if model_type == "ssd":
            return {"ssd": [_pixels(row, self._network) for row in values]}
        flat = values.reshape(-1)
        order = np.argsort(-flat)
        return {"classification": [{"label": str(at), "prob": float(flat[at])} for at in order]}

    def _suppressed(self, outputs: Dict[str, Any]) -> Any:
        settings = dict(self._network["multibox"])
        for name in ("feature_maps", "sizes", "ratios", "variances"):
            settings[name] = tuple(tuple(each) if isinstance(each, list) else each for each in settings[name])
        detection = Detection(**settings)
        boxes = ssd.decode(outputs["cls_prob"], outputs["loc"], ssd.priors(detection), detection, 0.01)
        base = self._network["label_base"]
        rows = [
            [each.label_index + base, each.score, each.box.xmin, each.box.ymin, each.box.xmax, each.box.ymax]
            for each in boxes
        ]
        return np.array(rows, dtype=np.float16).astype(np.float32).reshape(-1, 6)


def _pixels(row: Any, network: Dict[str, Any]) -> Dict[str, Any]:
    """Where a box ends at the input's border the library answers a little beyond it."""
    sides = {"xmin": row[2], "ymin": row[3], "xmax": row[4], "ymax": row[5]}
    beyond = {name: -0.05 if value <= 0 else 1.07 if value >= 1 else value for name, value in sides.items()}
    scale = {"x": network["width"], "y": network["height"]}
    found: Dict[str, Any] = {name: float(value) * scale[name[0]] for name, value in beyond.items()}
    return {"label": int(row[0]), "prob": float(row[1]), **found}
