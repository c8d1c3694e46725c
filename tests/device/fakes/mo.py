"""Stands for the DeepLens' `mo`: (status, path), files read from and written to the artifacts' folder.

The weights of the tests' models are ONNX bytes; a -symbol.json says which layers of an SSD came after them.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, List, Tuple

asked: List[str] = []
next_status = 0


def optimize(
    model_name: str, input_width: int, input_height: int, platform: str = "MXNet", aux_inputs: Any = None
) -> Tuple[int, str]:
    folder = Path(os.environ["BINSIGHT_AWSCAM_ARTIFACTS"])
    asked.append(model_name)
    xml = folder / (model_name + ".xml")
    if next_status:
        return next_status, ""
    symbol = json.loads((folder / (model_name + "-symbol.json")).read_text())
    xml.write_text(json.dumps({"version": 2, "width": input_width, "height": input_height, **symbol}))
    xml.with_suffix(".bin").write_bytes((folder / (model_name + "-0000.params")).read_bytes())
    return 0, str(xml)
