"""SageMaker's built-in object-detection: a photo in, {"prediction": [[class, score, xmin, ymin, xmax, ymax]]} out."""

from __future__ import annotations

import time
from typing import Any

from chalicelib.adapters.aws.invocation_failures import failed
from chalicelib.adapters.aws.wire.format import Send, Stages, WireFormat
from chalicelib.adapters.aws.wire.photo import fitted
from chalicelib.adapters.aws.wire.reading import ParsedManifests, is_number, read_json
from chalicelib.domain.inference import Prediction, ServedModel
from chalicelib.domain.ports import Clock
from device.runtime.decision import Box, ModelOutputError, RawBox, decide_detections
from device.runtime.manifest import Manifest

# As in device/runtime/predictor.py: boxes less sure than this are noise.
MIN_SCORE = 0.01
# MXNet's class of a box that another one stands for.
SUPPRESSED = -1


class ObjectDetectionFormat(WireFormat):
    def __init__(self, manifests: ParsedManifests, timer: Clock = time.perf_counter) -> None:
        self._manifests = manifests
        self._timer = timer

    def predict(self, served: ServedModel, image: bytes, send: Send) -> Prediction:
        stages = Stages(self._timer)
        manifest = self._manifests(served)
        photo = fitted(image, manifest.input)
        stages.end("preprocess")
        reply = send(photo.question)
        stages.end("endpoint")
        try:
            boxes = _boxes(served.endpoint, read_json(served.endpoint, reply), manifest)
            answer = decide_detections(boxes, manifest, photo.size, photo.scene).to_json()
        except ModelOutputError as error:
            raise failed(served.endpoint, str(error)) from error
        stages.end("decide")
        return Prediction(answer, stages.timings_ms, cold=None)


def _boxes(endpoint: str, document: Any, manifest: Manifest) -> list[RawBox]:
    rows = document.get("prediction") if isinstance(document, dict) else None
    if not isinstance(rows, list):
        raise failed(endpoint, "its answer has no list 'prediction'")
    base = manifest.detection.label_base if manifest.detection else 0
    boxes = [_box(endpoint, row, base) for row in rows]
    return [box for box in boxes if box.score >= MIN_SCORE and box.label_index + base != SUPPRESSED]


def _box(endpoint: str, row: Any, base: int) -> RawBox:
    if not isinstance(row, list) or len(row) != 6 or not all(is_number(value) for value in row):
        raise failed(endpoint, "a box is not six numbers")
    index, score, xmin, ymin, xmax, ymax = row
    if xmax < xmin or ymax < ymin:
        raise failed(endpoint, "a box ends before it begins")
    if index != int(index):
        raise failed(endpoint, f"{index} is no class")
    return RawBox(int(index) - base, float(score), Box(xmin, ymin, xmax, ymax))
