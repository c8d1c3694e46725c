"""What a camera tells of its scene: so that the service can say that it does not see what the model was trained on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from device.tally import Tally
from tests.device.models import RED, plain
from tests.device.seen import Watched

SHARP = {"sharpness": [500, 30000]}
BRIGHT = {"brightness": [200, 240]}
DARK = {"brightness": [5, 20]}


def watched(folder: Path, **scene: Any) -> Watched:
    document = {
        "brightness": [20, 240],
        "contrast": [0, 120],
        "sharpness": [0, 30000],
        "fill": None,
        "aspect": [0.5, 2.0],
        "references": None,
        **scene,
    }
    return Watched(folder / "model", scene=document)


@pytest.mark.parametrize(
    ("scene", "share"),
    [({}, 0.0), (SHARP, 1.0), (BRIGHT, 1.0), (DARK, 1.0), ({"aspect": [3.0, 4.0]}, 1.0)],
    ids=["as trained", "blurred", "too dark", "overexposed", "another shape"],
)
def test_whatever_is_wrong_with_the_scene_counts_as_unlike_training(tmp_path: Path, scene: Any, share: float) -> None:
    model, tally = watched(tmp_path, **scene), Tally()
    for _ in range(3):
        tally.add(model.seen(plain(RED)).answer)
    told = tally.scene()
    assert told is not None
    assert (told["unlike_training"], told["samples"]) == (share, 3)


def test_a_doubt_of_the_models_own_is_none_of_the_scenes(tmp_path: Path) -> None:
    model, tally = Watched(tmp_path / "model"), Tally()
    tally.add(model.seen(plain((128, 128, 128))).answer)
    told = tally.scene()
    assert tally.counters()["unknown"] == 1
    assert told is not None
    assert told["unlike_training"] == 0.0


def test_a_camera_that_is_moved_shows_within_a_few_hundred_frames(tmp_path: Path) -> None:
    before, after = Watched(tmp_path / "one"), watched(tmp_path / "two", **SHARP)
    tally = Tally()
    fine, blurred = before.seen(plain(RED)).answer, after.seen(plain(RED)).answer
    for answer in [fine] * 5000 + [blurred] * 600:
        tally.add(answer)
    told = tally.scene()
    assert told is not None
    assert told["unlike_training"] > 0.5
