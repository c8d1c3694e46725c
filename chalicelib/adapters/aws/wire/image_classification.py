"""SageMaker's built-in image-classification: a photo in, a bare JSON list of probabilities out."""

from __future__ import annotations

import time
from typing import Any

from chalicelib.adapters.aws.invocation import Question
from chalicelib.adapters.aws.invocation_failures import failed
from chalicelib.adapters.aws.wire.format import Send, Stages, WireFormat
from chalicelib.adapters.aws.wire.photo import fitted
from chalicelib.adapters.aws.wire.reading import ParsedManifests, is_number, read_json
from chalicelib.domain.inference import Prediction, ServedModel
from chalicelib.domain.ports import Clock
from device.runtime.decision import ModelOutputError, decide_classification, decide_count

CONTENT_TYPE = "application/x-image"


class ImageClassificationFormat(WireFormat):
    def __init__(self, manifests: ParsedManifests, timer: Clock = time.perf_counter) -> None:
        self._manifests = manifests
        self._timer = timer

    def predict(self, served: ServedModel, image: bytes, send: Send) -> Prediction:
        stages = Stages(self._timer)
        manifest = self._manifests(served)
        photo = fitted(image, manifest.input)
        stages.end("preprocess")
        reply = send(Question(photo.question.body, CONTENT_TYPE))
        stages.end("endpoint")
        decide: Any = decide_count if manifest.task == "count" else decide_classification
        try:
            answer = decide(_probabilities(served.endpoint, reply), manifest, photo.scene).to_json()
        except ModelOutputError as error:
            raise failed(served.endpoint, str(error)) from error
        stages.end("decide")
        return Prediction(answer, stages.timings_ms, cold=None)


def _probabilities(endpoint: str, reply: bytes) -> list[float]:
    values = read_json(endpoint, reply)
    if not isinstance(values, list) or not all(is_number(value) for value in values):
        raise failed(endpoint, "its answer is no list of numbers")
    return values
