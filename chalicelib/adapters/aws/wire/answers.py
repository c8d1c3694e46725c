"""The decided answers of our own container, checked before anybody believes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from chalicelib.domain.inference import Task

Share = Annotated[float, Field(ge=0, le=1)]
Milliseconds = Annotated[float, Field(ge=0)]
# Answers are rounded to six digits.
ROUNDING = 1e-5
SUM_TOLERANCE = 0.01


PartT = TypeVar("PartT", bound="Part")


class AnswerError(ValueError):
    """An answer that cannot be one; the message names the field."""


class Part(BaseModel):
    """Strict, so that no text passes for a number; members that later containers add are let through."""

    model_config = ConfigDict(strict=True, extra="allow", allow_inf_nan=False, frozen=True)


class Reply(Part):
    answer: dict[str, Any]
    timings_ms: dict[str, Milliseconds]
    cold: bool


class Answer(Part):
    unknown: bool
    reasons: list[str]
    checks_skipped: list[str]


class ClassAnswer(Answer):
    label: str
    confidence: Share
    probabilities: dict[str, Share]


class CountAnswer(ClassAnswer):
    count: int
    expected_value: float
    interval: Annotated[list[int], Field(min_length=2, max_length=2)]
    beyond_trained_range: bool


class Shares(Part):
    xmin: Share
    ymin: Share
    xmax: Share
    ymax: Share


class Pixels(Part):
    xmin: float
    ymin: float
    xmax: float
    ymax: float


class DetectedObject(Part):
    label: str
    confidence: Share
    box: Shares
    box_px: Pixels


class DetectionAnswer(Answer):
    detections: list[DetectedObject]
    counts: dict[str, Annotated[int, Field(ge=0)]]
    sum: float | None


def read_reply(document: Any, task: Task, labels: Sequence[str]) -> Reply:
    """Raises: AnswerError."""
    reply = _fits(Reply, document, "")
    check_answer(reply.answer, task, labels)
    return reply


def check_answer(answer: Mapping[str, Any], task: Task, labels: Sequence[str]) -> None:
    """Raises: AnswerError when it is not an answer of this task about these labels."""
    if task is Task.DETECT:
        _check_detections(_fits(DetectionAnswer, answer, "answer."), labels)
    elif task is Task.COUNT:
        _check_count(_fits(CountAnswer, answer, "answer."), labels)
    else:
        _check_classes(_fits(ClassAnswer, answer, "answer."), labels)


def _fits(kind: type[PartT], document: Any, path: str) -> PartT:
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        field = path + ".".join(str(part) for part in first["loc"])
        raise AnswerError(f"{field or 'its answer'}: {first['msg']}") from error


def _check_classes(answer: ClassAnswer, labels: Sequence[str]) -> None:
    _expect(
        len(answer.probabilities) == len(labels), f"{len(answer.probabilities)} probabilities, {len(labels)} labels"
    )
    _check_labels(answer.probabilities, labels, "answer.probabilities")
    total = sum(answer.probabilities.values())
    _expect(abs(total - 1) <= SUM_TOLERANCE, f"answer.probabilities: their sum is {total:.4f}")
    _check_labels([answer.label], labels, "answer.label")
    own, best = answer.probabilities[answer.label], max(answer.probabilities.values())
    _expect(abs(best - own) <= ROUNDING, "answer.label: is not the most likely one")
    _expect(abs(answer.confidence - own) <= ROUNDING, "answer.confidence: is not the label's probability")
    _check_doubts(answer)


def _check_count(answer: CountAnswer, labels: Sequence[str]) -> None:
    _check_classes(answer, labels)
    _expect(answer.label == str(answer.count), "answer.count: is not the label")
    _expect(answer.interval[0] <= answer.interval[1], "answer.interval: ends before it begins")


def _check_detections(answer: DetectionAnswer, labels: Sequence[str]) -> None:
    found = [detected.label for detected in answer.detections]
    _check_labels(found, labels, "answer.detections")
    counted = {label: found.count(label) for label in labels}
    _expect(answer.counts == counted, "answer.counts: are not those of the detections")
    for detected in answer.detections:
        box = detected.box
        _expect(box.xmin <= box.xmax and box.ymin <= box.ymax, "answer.detections: a box ends before it begins")
    _check_doubts(answer)


def _check_doubts(answer: Answer) -> None:
    _expect(answer.unknown == bool(answer.reasons), "answer.unknown: does not fit the reasons")


def _check_labels(found: Any, labels: Sequence[str], field: str) -> None:
    foreign = sorted(set(found) - set(labels))
    _expect(not foreign, f"{field}: {foreign[:1]} is no label of this model")


def _expect(holds: bool, otherwise: str) -> None:
    if not holds:
        raise AnswerError(otherwise)
