"""The proof of running: whose answers these are."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.domain.distance import distance, essence
from chalicelib.domain.inference import Task
from chalicelib.domain.proof import SUBSET, askable, discriminating, judge, nonce_of, subset

PHOTOS = [f"classify-1-{number:02d}" for number in range(64)]


def says(label: str, share: float = 0.9) -> dict[str, Any]:
    other = "compost" if label == "landfill" else "landfill"
    return {"probabilities": {label: share, other: 1 - share}}


NEW = {photo: says("compost") for photo in PHOTOS}
OLD = {photo: says("landfill") if number < 20 else says("compost") for number, photo in enumerate(PHOTOS)}
ASKED = PHOTOS[:8]


def verdict(answers: dict[str, Any], tolerance: float = 0.02) -> str:
    return judge(Task.CLASSIFY, ASKED, answers, NEW, [OLD], tolerance).reason


def test_a_nonce_is_the_same_for_the_same_question_and_another_for_every_other() -> None:
    asked = ("cam-1", "boot", "promotion", "digest")
    assert nonce_of(b"s", *asked) == nonce_of(b"s", *asked)
    others = [
        (*asked, ["rival"]),
        ("cam-2", *asked[1:]),
        ("cam-1", "boot2", *asked[2:]),
        (*asked[:3], "other"),
        (*asked[:2], "p2", "digest"),
    ]
    assert len({nonce_of(b"s", *asked), nonce_of(b"t", *asked), *(nonce_of(b"s", *each) for each in others)}) == 7


def test_every_boot_is_asked_photos_of_its_own() -> None:
    subsets = {tuple(subset(nonce_of(b"s", "cam", str(boot), "p", "d"), PHOTOS)) for boot in range(50)}
    assert len(subsets) > 45
    assert all(len(each) == SUBSET for each in subsets)


def test_only_photos_that_tell_the_models_apart_are_asked() -> None:
    assert discriminating(Task.CLASSIFY, NEW, [OLD], 0.02) == PHOTOS[:20]
    assert askable(Task.CLASSIFY, NEW, [OLD], 0.02) == PHOTOS[:20]


def test_where_too_few_tell_them_apart_all_are_asked() -> None:
    assert askable(Task.CLASSIFY, NEW, [NEW], 0.02) == PHOTOS
    assert askable(Task.CLASSIFY, NEW, [], 0.02) == PHOTOS


def test_a_rival_that_is_hardly_told_apart_does_not_hide_the_others() -> None:
    twin = {**NEW, PHOTOS[63]: says("landfill")}
    elsewhere = {photo: says("landfill") if number >= 10 else says("compost") for number, photo in enumerate(PHOTOS)}
    assert askable(Task.CLASSIFY, NEW, [OLD, twin], 0.02) == PHOTOS[:20]
    assert askable(Task.CLASSIFY, NEW, [twin, OLD], 0.02) == PHOTOS[:20]
    assert askable(Task.CLASSIFY, NEW, [OLD, elsewhere], 0.02) == PHOTOS[10:20]


def test_the_models_own_answers_are_verified_within_the_tolerance() -> None:
    assert verdict({photo: says("compost", 0.885) for photo in ASKED}) == "verified"
    assert verdict({photo: says("compost", 0.87) for photo in ASKED}) == "answers-of-no-known-model"


def test_the_old_models_answers_are_named_as_such() -> None:
    assert verdict({photo: OLD[photo] for photo in ASKED}) == "answers-of-another-model"


def test_one_wrong_answer_among_eight_is_enough() -> None:
    assert verdict({**{photo: NEW[photo] for photo in ASKED}, ASKED[3]: says("landfill")}) != "verified"


def test_a_missing_answer_proves_nothing() -> None:
    assert verdict({photo: NEW[photo] for photo in ASKED[1:]}) == "answers-missing"
    assert verdict({}) == "answers-missing"


@pytest.mark.parametrize(
    "junk", [{}, {"probabilities": None}, {"probabilities": {"compost": "high"}}, {"detections": []}]
)
def test_junk_is_as_far_away_as_can_be(junk: dict[str, Any]) -> None:
    assert distance(Task.CLASSIFY, junk, says("compost")) == 1.0


def test_not_a_number_is_far_away() -> None:
    assert distance(Task.CLASSIFY, {"probabilities": {"compost": float("nan")}}, says("compost")) == 1.0


def box(label: str, confidence: float, left: float) -> dict[str, Any]:
    return {
        "label": label,
        "confidence": confidence,
        "box": {"xmin": left, "ymin": 0.0, "xmax": left + 0.2, "ymax": 0.2},
    }


def test_the_same_boxes_lie_nowhere_apart_in_any_order() -> None:
    one = {"detections": [box("1000", 0.9, 0.0), box("2000", 0.8, 0.5)]}
    other = {"detections": list(reversed(one["detections"]))}
    assert distance(Task.DETECT, one, other) == 0.0


def test_another_label_another_place_and_a_missing_box_count() -> None:
    one = {"detections": [box("1000", 0.9, 0.0)]}
    assert distance(Task.DETECT, one, {"detections": [box("2000", 0.9, 0.0)]}) == 1.0
    assert distance(Task.DETECT, one, {"detections": [box("1000", 0.9, 0.7)]}) == 1.0
    assert distance(Task.DETECT, one, {"detections": []}) == pytest.approx(0.9)
    assert 0 < distance(Task.DETECT, one, {"detections": [box("1000", 0.9, 0.02)]}) < 0.3
    assert distance(Task.DETECT, {"detections": []}, {"detections": []}) == 0.0


def test_only_what_is_compared_is_kept() -> None:
    answer = {"label": "compost", "probabilities": {"compost": 0.12345678}, "reasons": []}
    assert essence(Task.CLASSIFY, answer) == {"probabilities": {"compost": 0.123457}}
