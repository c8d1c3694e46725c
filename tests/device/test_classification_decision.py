from __future__ import annotations

import json
import math
from typing import Any, Dict, Optional, Sequence

import pytest

from device.runtime.decision import ModelOutputError, decide_classification
from device.runtime.manifest import Manifest, parse_manifest
from device.runtime.probabilities import calibrate
from device.runtime.scene import SceneMeasurement
from tests.device.models import manifest_document

USUAL = {"brightness": 120.0, "contrast": 50.0, "sharpness": 500.0, "aspect": 1.0, "fill": 0.4}
REFERENCES = {"file": "references.npy", "count": 2, "dim": 3, "max_distance": 0.3}


def manifest(decision: Optional[Dict[str, Any]] = None, scene: Optional[Dict[str, Any]] = None) -> Manifest:
    document = manifest_document()
    document["decision"].update(decision or {})
    document["scene"].update({"contrast": [20, 80], "sharpness": [100, 1000], "references": REFERENCES})
    document["scene"].update(scene or {})
    document["files"]["references.npy"] = {"sha256": "0" * 64, "bytes": 1}
    return parse_manifest(document)


def measured(**changes: float) -> SceneMeasurement:
    return SceneMeasurement(**dict(USUAL, **changes))


def test_a_sure_answer_on_a_usual_photo_is_known() -> None:
    decision = decide_classification([0.05, 0.9, 0.05], manifest(), measured(), 0.1)
    assert decision.to_json() == {
        "label": "compost",
        "confidence": 0.9,
        "unknown": False,
        "reasons": [],
        "probabilities": {"landfill": 0.05, "compost": 0.9, "recycling": 0.05},
        "checks_skipped": [],
    }


def test_the_answer_can_be_written_as_json() -> None:
    json.dumps(decide_classification([0.05, 0.9, 0.05], manifest(), measured(), 0.1).to_json(), allow_nan=False)


def test_under_its_label_s_own_threshold_confidence_is_low() -> None:
    strict = manifest({"thresholds": {"landfill": 0.2, "compost": 0.95, "recycling": 0.2}})
    assert decide_classification([0.05, 0.9, 0.05], strict, measured(), 0.1).reasons == ("low_confidence",)
    assert not decide_classification([0.9, 0.05, 0.05], strict, measured(), 0.1).unknown


def test_two_labels_that_are_near_each_other_are_ambiguous() -> None:
    decision = decide_classification([0.51, 0.44, 0.05], manifest(), measured(), 0.1)
    assert decision.reasons == ("ambiguous",)
    assert decision.label == "landfill"


def test_an_unknown_photo_still_has_the_most_likely_label() -> None:
    decision = decide_classification([0.35, 0.25, 0.4], manifest(), measured(), 0.9)
    assert (decision.label, decision.unknown) == ("recycling", True)
    assert decision.reasons == ("low_confidence", "ambiguous", "unlike_training")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"brightness": 19.9}, "too_dark"),
        ({"brightness": 240.1}, "overexposed"),
        ({"sharpness": 99.9}, "blurred"),
        ({"sharpness": 1451.0}, "unlike_training"),
        ({"contrast": 111.0}, "unlike_training"),
        ({"aspect": 4.1}, "unlike_training"),
        ({"aspect": 0.24}, "unlike_training"),
    ],
)
def test_a_photo_unlike_the_training_photos_is_unknown(changes: Dict[str, float], reason: str) -> None:
    assert decide_classification([0.05, 0.9, 0.05], manifest(), measured(**changes), 0.1).reasons == (reason,)


@pytest.mark.parametrize(
    "changes",
    [{"brightness": 20.0}, {"brightness": 240.0}, {"sharpness": 100.0}, {"contrast": 109.0}, {"aspect": 3.9}],
)
def test_a_photo_at_the_edge_of_the_training_photos_is_known(changes: Dict[str, float]) -> None:
    assert not decide_classification([0.05, 0.9, 0.05], manifest(), measured(**changes), 0.1).unknown


def test_fill_is_checked_where_the_manifest_has_it() -> None:
    with_fill = manifest(scene={"fill": [0.2, 0.5]})
    assert decide_classification([0, 1, 0], with_fill, measured(fill=0.7), 0.1).reasons == ("unlike_training",)
    assert not decide_classification([0, 1, 0], manifest(), measured(fill=0.7), 0.1).unknown


@pytest.mark.parametrize(("distance", "unlike"), [(0.3, False), (0.301, True), (math.nan, True)])
def test_features_far_from_every_reference_are_unlike_training(distance: float, unlike: bool) -> None:
    reasons = decide_classification([0.05, 0.9, 0.05], manifest(), measured(), distance).reasons
    assert (reasons == ("unlike_training",)) is unlike


def test_what_was_not_measured_is_named() -> None:
    nothing = decide_classification([0.05, 0.9, 0.05], manifest(), None, None)
    assert nothing.checks_skipped == ("too_dark", "overexposed", "blurred", "unlike_training")
    no_features = decide_classification([0.05, 0.9, 0.05], manifest(), measured(), None)
    assert no_features.checks_skipped == ("unlike_training",)
    assert decide_classification([0, 1, 0], manifest(), measured(contrast=200), None).reasons == ("unlike_training",)


@pytest.mark.parametrize(
    ("probabilities", "reason"),
    [
        ([0.5, 0.5], "wrong-length"),
        ([0.25] * 4, "wrong-length"),
        ([], "wrong-length"),
        ([math.nan, 0.5, 0.5], "not-finite"),
        ([math.inf, 0.0, 0.0], "not-finite"),
        ([0.9, 0.9, 0.9], "not-probabilities"),
        ([2.5, -1.0, -0.5], "not-probabilities"),
        ([0.0, 0.0, 0.0], "not-probabilities"),
        (["a", "b", "c"], "not-numbers"),
        ([[0.1], [0.2], [0.7]], "not-numbers"),
    ],
)
def test_what_is_no_probability_vector_is_refused(probabilities: Sequence[Any], reason: str) -> None:
    with pytest.raises(ModelOutputError) as refused:
        decide_classification(probabilities, manifest())
    assert refused.value.reason == reason


def test_the_rounding_of_16_bit_engines_is_tolerated() -> None:
    assert decide_classification([0.3335, 0.3335, 0.3335], manifest()).label == "landfill"


def test_the_temperature_does_to_probabilities_what_it_does_to_logits() -> None:
    logits = [2.0, 1.0, -1.0]
    softmax = [math.exp(value) for value in logits]
    expected = [math.exp(value / 1.7) for value in logits]
    calibrated = calibrate([value / sum(softmax) for value in softmax], 1.7)
    assert calibrated == pytest.approx([value / sum(expected) for value in expected])


def test_a_high_temperature_lowers_the_confidence_and_keeps_the_label() -> None:
    decision = decide_classification([0.05, 0.9, 0.05], manifest({"temperature": 3}), measured(), 0.1)
    assert decision.label == "compost"
    assert decision.confidence < 0.9
    assert sum(decision.probabilities.values()) == pytest.approx(1)


@pytest.mark.parametrize("temperature", [0.01, 0.5, 1, 100])
def test_no_temperature_breaks_extreme_probabilities(temperature: float) -> None:
    assert sum(calibrate([1.0, 0.0, 1e-30], temperature)) == pytest.approx(1)
    assert sum(calibrate([0.34, 0.33, 0.33], temperature)) == pytest.approx(1)


def test_one_label_is_never_ambiguous() -> None:
    document = manifest_document(labels=[{"name": "coin"}])
    document["decision"]["thresholds"] = {"coin": 0.5}
    assert decide_classification([1.0], parse_manifest(document)).reasons == ()
