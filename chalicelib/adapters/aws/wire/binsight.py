"""Our serving container: the photo as it came goes in, the decided answer comes out.

Request: the image's bytes under its own content type. Answer 200: {"answer": ..., "timings_ms": {...}, "cold": bool};
400: {"reason", "detail"} for a photo that is refused. The container decodes, measures and decides.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from chalicelib.adapters.aws.invocation import Question
from chalicelib.adapters.aws.invocation_failures import failed
from chalicelib.adapters.aws.wire.answers import AnswerError, read_reply
from chalicelib.adapters.aws.wire.format import Send, Stages, WireFormat
from chalicelib.adapters.aws.wire.photo import MAX_REQUEST_BYTES, checked_header, shrunk
from chalicelib.adapters.aws.wire.reading import ParsedManifests, read_json
from chalicelib.domain.inference import Prediction, ServedModel, Task
from chalicelib.domain.ports import Clock
from device.runtime.image_header import ImageHeader


class BinsightFormat(WireFormat):
    def __init__(self, manifests: ParsedManifests, timer: Clock = time.perf_counter) -> None:
        self._manifests = manifests
        self._timer = timer

    def predict(self, served: ServedModel, image: bytes, send: Send) -> Prediction:
        stages = Stages(self._timer)
        header = checked_header(image)
        stages.end("header")
        is_whole = len(image) <= MAX_REQUEST_BYTES
        question = Question(image, f"image/{header.format}") if is_whole else self._shrunk(served, image, stages)
        reply = send(question)
        stages.end("endpoint")
        return _prediction(served, reply, stages, None if is_whole else header)

    def _shrunk(self, served: ServedModel, image: bytes, stages: Stages) -> Question:
        """Only what no endpoint would take is decoded here."""
        question = shrunk(image, self._manifests(served).input)
        stages.end("shrink")
        return question


def _prediction(served: ServedModel, reply: bytes, stages: Stages, shrunk_from: ImageHeader | None) -> Prediction:
    labels = [label["name"] for label in served.manifest["labels"]]
    try:
        read = read_reply(read_json(served.endpoint, reply), served.task, labels)
    except AnswerError as error:
        raise failed(served.endpoint, str(error)) from error
    answer: Mapping[str, Any] = read.answer
    if shrunk_from is not None and served.task is Task.DETECT:
        answer = _in_pixels_of(answer, shrunk_from.upright_size)
    return Prediction(answer, {**read.timings_ms, **stages.timings_ms}, read.cold)


def _in_pixels_of(answer: Mapping[str, Any], size: tuple[int, int]) -> Mapping[str, Any]:
    """The container has seen a smaller photo than the caller sent: shares hold for both, pixels do not."""
    sides = {"xmin": size[0], "ymin": size[1], "xmax": size[0], "ymax": size[1]}
    detections = [
        {**each, "box_px": {side: round(each["box"][side] * length, 1) for side, length in sides.items()}}
        for each in answer["detections"]
    ]
    return {**answer, "detections": detections}
