from __future__ import annotations

import math
from typing import Any, Optional

import pytest

from device.runtime.decision import Box, ModelOutputError, RawBox, decide_detections
from device.runtime.manifest import Manifest, parse_manifest
from tests.device.models import manifest_document

PHOTO = (400, 200)


def manifest(fit: str = "squash", **changes: Any) -> Manifest:
    document = manifest_document("detect", **changes)
    document["input"]["fit"] = fit
    return parse_manifest(document)


def raw(score: float, label: int = 0, box: Optional[Box] = None) -> RawBox:
    return RawBox(label, score, box or Box(0.25, 0.25, 0.5, 0.75))


def test_boxes_come_in_shares_and_in_pixels_of_the_original_photo() -> None:
    found = decide_detections([raw(0.9)], manifest(), PHOTO).detections[0]
    assert found.to_json() == {
        "label": "1000",
        "confidence": 0.9,
        "box": {"xmin": 0.25, "ymin": 0.25, "xmax": 0.5, "ymax": 0.75},
        "box_px": {"xmin": 100, "ymin": 50, "xmax": 200, "ymax": 150},
    }


def test_boxes_of_a_cropped_input_are_moved_back() -> None:
    found = decide_detections([raw(0.9, box=Box(0, 0, 1, 1))], manifest("crop"), PHOTO).detections[0]
    assert found.box_px == Box(100, 0, 300, 200)


def test_boxes_of_a_letterboxed_input_are_moved_back_and_clipped() -> None:
    found = decide_detections([raw(0.9, box=Box(-0.1, 0.25, 0.5, 1.2))], manifest("letterbox"), PHOTO).detections[0]
    assert found.box_px == Box(0, 0, 200, 200)


def test_counts_and_sum_follow_from_what_was_found() -> None:
    decision = decide_detections([raw(0.9), raw(0.95, 1), raw(0.7, 1)], manifest(), PHOTO)
    assert decision.counts == {"1000": 1, "2000": 2}
    assert decision.sum == 5000
    assert [found.label for found in decision.detections] == ["2000", "1000", "2000"]
    assert (decision.label, decision.confidence) == ("2000", 0.95)


def test_an_empty_photo_holds_nothing_and_is_known() -> None:
    decision = decide_detections([], manifest(), PHOTO)
    assert decision.to_json() == {
        "detections": [],
        "counts": {"1000": 0, "2000": 0},
        "sum": 0,
        "label": None,
        "confidence": None,
        "unknown": False,
        "reasons": [],
        "checks_skipped": ["too_dark", "overexposed", "blurred", "unlike_training"],
    }


def test_without_values_there_is_no_sum() -> None:
    labels = [{"name": "1000"}, {"name": "2000"}]
    assert decide_detections([raw(0.9)], manifest(labels=labels), PHOTO).sum is None


def test_every_label_has_its_own_threshold() -> None:
    decision = {"temperature": 1, "thresholds": {"1000": 0.3, "2000": 0.8}, "ambiguous_margin": 0}
    found = decide_detections([raw(0.4, 0), raw(0.7, 1)], manifest(decision=decision), PHOTO)
    assert found.counts == {"1000": 1, "2000": 0}


@pytest.mark.parametrize(("score", "ambiguous"), [(0.5, False), (0.45, True), (0.41, True), (0.39, False)])
def test_a_box_just_under_its_threshold_makes_the_answer_ambiguous(score: float, ambiguous: bool) -> None:
    decision = decide_detections([raw(0.9), raw(score)], manifest(), PHOTO)
    assert decision.unknown is ambiguous
    assert decision.reasons == (("ambiguous",) if ambiguous else ())


@pytest.mark.parametrize(
    ("box", "reason"),
    [
        (raw(math.nan), "not-finite"),
        (raw(0.9, box=Box(0, 0, math.inf, 1)), "not-finite"),
        (raw(0.9, 2), "wrong-length"),
        (raw(0.9, -1), "wrong-length"),
        (raw(1.5), "not-probabilities"),
        (raw(-0.1), "not-probabilities"),
    ],
)
def test_boxes_that_cannot_be_are_refused(box: RawBox, reason: str) -> None:
    with pytest.raises(ModelOutputError) as refused:
        decide_detections([box], manifest(), PHOTO)
    assert refused.value.reason == reason
