"""Models for the tests: small networks that infer, in folders as an artifact leaves them."""

from __future__ import annotations

import base64
import io
import json
import shutil
from pathlib import Path
from typing import Any, Dict, Optional

import numpy as np
from PIL import Image

from device.runtime.artifact import describe_files

DATA = Path(__file__).parent / "data"
RED, GREEN, BLUE = (230, 20, 20), (20, 230, 20), (20, 20, 230)


def manifest_document(task: str = "classify", **changes: Any) -> Dict[str, Any]:
    labels = {
        "classify": ["landfill", "compost", "recycling"],
        "count": ["0", "1", "2", "3", "4", "5"],
        "detect": ["1000", "2000"],
    }[task]
    document: Dict[str, Any] = {
        "schema": 1,
        "name": {"classify": "waste", "count": "bins", "detect": "banknotes"}[task],
        "task": task,
        "labels": [{"name": name, "color": None, "value": None} for name in labels],
        "input": {"name": "data", "width": 32, "height": 32, "color_order": "RGB", "layout": "NCHW", "fit": "squash"},
        "outputs": {"probabilities": "prob", "features": "features"},
        "engines": ["onnxruntime", "openvino"],
        "container": "binsight",
        "decision": {
            "temperature": 1.0,
            "thresholds": dict.fromkeys(labels, 0.5),
            "ambiguous_margin": 0.1,
            "trained_range": [0, 5] if task == "count" else None,
        },
        "detection": None,
        "scene": {
            "brightness": [20, 240],
            "contrast": [0, 120],
            "sharpness": [0, 30000],
            "fill": None,
            "aspect": [0.5, 2.0],
            "references": None,
        },
        "files": {"model.onnx": {"sha256": "0" * 64, "bytes": 1}},
        "training": {"dataset_fingerprint": "none"},
        "metrics": {"validation": {}, "test": {}},
    }
    if task == "detect":
        document["outputs"] = {"probabilities": "cls_prob", "offsets": "loc", "features": None}
        document["labels"] = [{"name": "1000", "color": None, "value": 1000}, {"name": "2000", "value": 2000}]
        document["detection"] = {
            "feature_maps": [[4, 4]],
            "sizes": [[0.25]],
            "ratios": [[1]],
            "variances": [0.1, 0.1, 0.2, 0.2],
            "nms_threshold": 0.45,
            "max_boxes": 100,
            "label_base": 0,
        }
    document.update(changes)
    return document


def model_folder(folder: Path, task: str = "classify", references: Optional[Any] = None, **changes: Any) -> Path:
    """An unpacked model under folder, with its self-test vector."""
    folder.mkdir(parents=True)
    network = {"classify": "colors", "count": "count", "detect": "blobs"}[task]
    shutil.copy(str(DATA / (network + ".onnx")), str(folder / "model.onnx"))
    document = manifest_document(task, **changes)
    if references is not None:
        _write_references(folder, document, np.asarray(references, dtype=np.float32))
    _write_self_test(folder, task)
    document["files"] = describe_files(folder)
    (folder / "manifest.json").write_text(json.dumps(document), encoding="utf-8")
    return folder


def png(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


def jpeg(image: Image.Image, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "JPEG", **options)
    return stream.getvalue()


def plain(color: Any, size: Any = (64, 64)) -> Image.Image:
    return Image.new("RGB", size, color)


def banknotes() -> Image.Image:
    """One red block in the second cell of the first row, one blue block in the last cell; 4 x 4 cells, 160 x 160."""
    image = plain((128, 128, 128), (160, 160))
    image.paste(RED, (40, 0, 80, 40))
    image.paste(BLUE, (120, 120, 160, 160))
    return image


def _write_references(folder: Path, document: Dict[str, Any], vectors: Any) -> None:
    np.save(str(folder / "references.npy"), vectors)
    document["scene"]["references"] = {
        "file": "references.npy",
        "count": vectors.shape[0],
        "dim": vectors.shape[1],
        "max_distance": 0.3,
    }


def _write_self_test(folder: Path, task: str) -> None:
    answers: Dict[str, Dict[str, Any]] = {
        "classify": {"probabilities": [0.99746, 0.00127, 0.00127]},
        "count": {"probabilities": [0.0181, 0.9817, 0.0002, 0, 0, 0]},
        "detect": {
            "detections": [
                {"label": "1000", "confidence": 0.9962, "box": {"xmin": 0.25, "ymin": 0, "xmax": 0.5, "ymax": 0.25}},
                {"label": "2000", "confidence": 0.9962, "box": {"xmin": 0.75, "ymin": 0.75, "xmax": 1, "ymax": 1}},
            ]
        },
    }
    photo = {"classify": plain(RED), "count": plain((51, 51, 51)), "detect": banknotes()}[task]
    document = dict(answers[task], image_png_base64=base64.b64encode(png(photo)).decode(), tolerance=0.02)
    (folder / "selftest.json").write_text(json.dumps(document), encoding="utf-8")
