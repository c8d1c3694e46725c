from __future__ import annotations

from typing import Any, List

import pytest

from device.runtime.decision import CountMatch, decide_count
from device.runtime.manifest import Manifest, parse_manifest
from tests.device.models import manifest_document

SPREAD = [0.02, 0.08, 0.2, 0.4, 0.25, 0.05]


def manifest(**decision: Any) -> Manifest:
    document = manifest_document("count")
    document["decision"].update(dict({"ambiguous_margin": 0, "thresholds": dict.fromkeys("012345", 0)}, **decision))
    return parse_manifest(document)


def sure_of(count: int) -> List[float]:
    return [0.95 if each == count else 0.01 for each in range(6)]


def test_the_most_likely_count_and_the_expected_value_are_answered() -> None:
    decision = decide_count(SPREAD, manifest())
    assert decision.count == 3
    assert decision.label == "3"
    assert decision.expected_value == pytest.approx(0.08 + 0.4 + 1.2 + 1.0 + 0.25)


def test_the_json_has_every_field_of_a_count() -> None:
    assert decide_count(SPREAD, manifest()).to_json() == {
        "count": 3,
        "label": "3",
        "confidence": 0.4,
        "unknown": False,
        "reasons": [],
        "probabilities": {"0": 0.02, "1": 0.08, "2": 0.2, "3": 0.4, "4": 0.25, "5": 0.05},
        "expected_value": 2.93,
        "interval": [2, 4],
        "beyond_trained_range": False,
        "checks_skipped": ["too_dark", "overexposed", "blurred", "unlike_training"],
    }


@pytest.mark.parametrize(
    ("probabilities", "share", "interval"),
    [
        ([0, 0, 0, 1, 0, 0], 0.8, (3, 3)),
        (SPREAD, 0.4, (3, 3)),
        (SPREAD, 0.5, (3, 4)),
        (SPREAD, 0.85, (2, 4)),
        (SPREAD, 0.9, (1, 4)),
        (SPREAD, 1.0, (0, 5)),
        ([0.5, 0, 0, 0, 0, 0.5], 0.8, (0, 5)),
        ([0.25, 0.25, 0.25, 0.25, 0, 0], 0.5, (0, 1)),
    ],
)
def test_the_interval_is_the_shortest_that_holds_its_share(probabilities: Any, share: float, interval: Any) -> None:
    assert decide_count(probabilities, manifest(interval=share)).interval == interval


def test_the_interval_is_of_80_percent_unless_the_manifest_says_otherwise() -> None:
    assert manifest().decision.interval == 0.8


def test_the_highest_count_of_an_unusual_photo_may_be_more() -> None:
    document = manifest_document("count")
    document["scene"]["references"] = {"file": "r.npy", "count": 1, "dim": 1, "max_distance": 0.3}
    document["files"]["r.npy"] = {"sha256": "0" * 64, "bytes": 1}
    checked = parse_manifest(document)
    assert decide_count(sure_of(5), checked, None, 0.4).beyond_trained_range
    assert not decide_count(sure_of(5), checked, None, 0.2).beyond_trained_range
    assert not decide_count(sure_of(4), checked, None, 0.4).beyond_trained_range


def test_a_count_outside_of_the_trained_range_is_beyond_it_and_unknown() -> None:
    decision = decide_count(sure_of(5), manifest(trained_range=[0, 4]))
    assert decision.beyond_trained_range
    assert decision.reasons == ("unlike_training",)


def test_a_highest_count_that_is_all_too_sure_may_be_more() -> None:
    assert decide_count(sure_of(5), manifest(beyond_probability=0.9)).beyond_trained_range
    assert not decide_count(sure_of(5), manifest(beyond_probability=0.99)).beyond_trained_range
    assert not decide_count(sure_of(4), manifest(beyond_probability=0.9)).beyond_trained_range


def test_without_a_trained_range_nothing_is_beyond_it() -> None:
    assert not decide_count(sure_of(5), manifest(trained_range=None)).beyond_trained_range


def test_whether_the_bin_holds_what_it_should_comes_with_its_probability() -> None:
    decision = decide_count(SPREAD, manifest())
    assert decision.match(3) == CountMatch(3, True, 0.4)
    assert decision.match(4) == CountMatch(4, False, 0.25)


def test_a_count_that_the_model_does_not_know_cannot_be_matched() -> None:
    assert decide_count(SPREAD, manifest()).match(9) == CountMatch(9, None, None)


def test_the_counts_need_not_begin_at_zero() -> None:
    document = manifest_document("count", labels=[{"name": "2"}, {"name": "4"}])
    document["decision"].update(thresholds={"2": 0, "4": 0}, trained_range=None)
    decision = decide_count([0.25, 0.75], parse_manifest(document))
    assert (decision.count, decision.expected_value, decision.interval) == (4, 3.5, (2, 4))
