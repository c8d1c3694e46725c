"""Small photos, each different from the others, and a manifest with boxes, for the tests of importers and writers."""

import json
from pathlib import Path

import numpy as np
from PIL import Image


def write_photo(path: Path, seed: int = 0, width: int = 64, height: int = 48) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cells = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    Image.fromarray(cells).resize((width, height), Image.Resampling.BICUBIC).save(path)
    return path


def write_manifest(folder: Path, *annotations: dict[str, int], class_map: dict[str, str] | None = None) -> Path:
    Image.new("RGB", (200, 100), (90, 90, 90)).save(folder / "desk_1.png")
    size = [{"width": 200, "height": 100, "depth": 3}]
    line = {"source-ref": "desk_1.png", "cash": {"image_size": size, "annotations": list(annotations)}}
    if class_map is not None:
        line["cash-metadata"] = {"class-map": class_map}
    path = folder / "annotations.manifest"
    path.write_text(json.dumps(line) + "\n")
    return path


def box(class_id: int, left: int, top: int, width: int, height: int) -> dict[str, int]:
    return {"class_id": class_id, "left": left, "top": top, "width": width, "height": height}
