"""The public self-test vector: a photo and what this model answers to it."""

from __future__ import annotations

import base64
import binascii
import json
from pathlib import Path
from typing import Any, Dict, List, Sequence, Tuple

from device.runtime.decision import Box, DetectedObject
from device.runtime.document import DocumentError, Section, number, numbers
from device.runtime.manifest import SELF_TEST_FILE

_MIN_OVERLAP = 0.7


class SelfTestError(RuntimeError):
    """The model does not answer its own test photo as it did when it was packaged."""


def read_self_test(folder: Path) -> Tuple[bytes, Section]:
    """The photo (PNG), and the document it stands in. Raises: SelfTestError."""
    try:
        document = Section(json.loads((folder / SELF_TEST_FILE).read_text(encoding="utf-8")))
        return base64.b64decode(document.text("image_png_base64"), validate=True), document
    except (OSError, DocumentError, binascii.Error, ValueError) as error:
        raise SelfTestError("%s: cannot be read (%s); package the model again" % (SELF_TEST_FILE, error)) from error


def check_probabilities(answered: Sequence[float], document: Section) -> None:
    """answered: as the network gave them, not calibrated. Raises: SelfTestError."""
    expected = _read(document, "probabilities", None)
    tolerance = _tolerance(document)
    if len(answered) != len(expected):
        raise SelfTestError("%d probabilities, not %d" % (len(answered), len(expected)))
    worst = max(abs(one - other) for one, other in zip(answered, expected))
    if not worst <= tolerance:
        raise SelfTestError("the answer differs by %.4f; %.4f is allowed" % (worst, tolerance))


def check_detections(answered: Sequence[DetectedObject], document: Section) -> None:
    """To every expected box one answered: same label, score within the tolerance, overlap of 0.7; and no others.

    Raises: SelfTestError.
    """
    tolerance = _tolerance(document)
    left = list(answered)
    for expected in _expected(document):
        match = [each for each in left if _agrees(each, expected, tolerance)]
        if not match:
            raise SelfTestError("no box answers the expected %s at %.3f" % (expected.label, expected.confidence))
        left.remove(match[0])
    if left:
        raise SelfTestError("%d boxes that are not expected, the first %s" % (len(left), left[0].label))


def self_test_detections(found: Sequence[DetectedObject]) -> List[Dict[str, Any]]:
    """What a packager writes under "detections"."""
    return [{"label": each.label, "confidence": each.confidence, "box": each.box.to_json(6)} for each in found]


def _tolerance(document: Section) -> float:
    try:
        return document.number("tolerance", 0, 1)
    except DocumentError as error:
        raise SelfTestError("%s: %s" % (SELF_TEST_FILE, error)) from error


def _read(document: Section, key: str, length: Any) -> Tuple[float, ...]:
    try:
        return numbers(document.required(key), key, length)
    except DocumentError as error:
        raise SelfTestError("%s: %s" % (SELF_TEST_FILE, error)) from error


def _expected(document: Section) -> List[DetectedObject]:
    try:
        return [_object(Section(value, path)) for value, path in document.items("detections")]
    except DocumentError as error:
        raise SelfTestError("%s: %s" % (SELF_TEST_FILE, error)) from error


def _object(section: Section) -> DetectedObject:
    sides = section.section("box")
    xmin, ymin, xmax, ymax = (
        number(sides.required(name), sides.at(name), 0, 1) for name in ("xmin", "ymin", "xmax", "ymax")
    )
    box = Box(xmin, ymin, xmax, ymax)
    return DetectedObject(section.text("label"), section.number("confidence", 0, 1), box, box)


def _agrees(answered: DetectedObject, expected: DetectedObject, tolerance: float) -> bool:
    near = abs(answered.confidence - expected.confidence) <= tolerance
    return answered.label == expected.label and near and _overlap(answered.box, expected.box) >= _MIN_OVERLAP


def _overlap(one: Box, other: Box) -> float:
    width = min(one.xmax, other.xmax) - max(one.xmin, other.xmin)
    height = min(one.ymax, other.ymax) - max(one.ymin, other.ymin)
    shared = max(0.0, width) * max(0.0, height)
    union = _area(one) + _area(other) - shared
    return shared / union if union > 0 else 0.0


def _area(box: Box) -> float:
    return (box.xmax - box.xmin) * (box.ymax - box.ymin)
