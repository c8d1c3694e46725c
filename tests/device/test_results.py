"""Several frames agree before anything has happened, and it happens once."""

from __future__ import annotations

import base64
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import List

import pytest
from PIL import Image

from device.config import ResultsConfig
from device.consensus import MAX_RESULT_BYTES, Consensus, object_of, result_json
from device.events import Events, event_of, thumbnail
from device.frame_loop import Seen
from device.frame_spool import FrameSpool
from device.outbox import Outbox
from tests.device.models import BLUE, GREEN, RED, banknotes, plain
from tests.device.seen import Watched

GREY = (90, 90, 90)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Watched:
    return Watched(tmp_path_factory.mktemp("results") / "model")


def told(consensus: Consensus, model: Watched, colors: str, every_s: float = 1.0) -> List[int]:
    """At which of these frames (r, g, b, or . for unknown) something happened."""
    frames = {"r": RED, "g": GREEN, "b": BLUE, ".": GREY}
    return [at for at, color in enumerate(colors) if consensus.is_news(model.seen(plain(frames[color]), at * every_s))]


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        ("rrrrrr", [2]),
        ("rgrgrr", [4]),
        ("rgbrgb", []),
        ("rrrggg", [2, 5]),
        ("rrrgrrr", [2]),
        ("rrrgggrrr", [2, 5, 8]),
        ("......", [2]),
        ("rr.rr.", [3]),
    ],
)
def test_what_enough_frames_agree_on_happens_once(model: Watched, frames: str, expected: List[int]) -> None:
    assert told(Consensus(ResultsConfig(frames=5, agree=3)), model, frames) == expected


def test_it_is_said_again_only_when_that_is_wanted(model: Watched) -> None:
    consensus = Consensus(ResultsConfig(frames=1, agree=1, repeat_s=4))
    assert told(consensus, model, "rrrrrrrrrr") == [0, 4, 8]


def test_a_clock_that_is_put_back_does_not_silence_what_is_repeated(model: Watched) -> None:
    consensus = Consensus(ResultsConfig(frames=1, agree=1, repeat_s=4))
    times = (1e9, 1e9 + 1, 1000.0, 1001.0, 1004.0)
    assert [consensus.is_news(model.seen(plain(RED), at_s)) for at_s in times] == [True, False, True, False, True]


def test_a_new_model_begins_anew(tmp_path: Path, model: Watched) -> None:
    consensus = Consensus(ResultsConfig(frames=3, agree=2))
    other = Watched(tmp_path / "other", digest="b" * 64)
    assert told(consensus, model, "rr") == [1]
    assert told(consensus, other, "rr") == [1]


def test_unknown_stays_unknown(model: Watched) -> None:
    assert object_of(model.seen(plain(GREY))) == "unknown"
    assert object_of(model.seen(plain(RED))) == "landfill"


def test_another_number_of_the_same_objects_is_news(tmp_path: Path) -> None:
    model = Watched(tmp_path / "model", "detect")
    consensus = Consensus(ResultsConfig(frames=1, agree=1))
    one = banknotes()
    one.paste((128, 128, 128), (120, 120, 160, 160))
    answers = [consensus.is_news(model.seen(each)) for each in (banknotes(), banknotes(), one, plain((128, 128, 128)))]
    assert answers == [True, False, True, True]


def test_an_event_holds_what_the_service_takes(tmp_path: Path) -> None:
    model = Watched(tmp_path / "model", "count")
    seen = model.seen(plain((51, 51, 51)), 12.3456)
    event = event_of(seen, ResultsConfig(reference="bin-7", expected=3, thumbnail_px=64))
    assert (event["captured_at_s"], event["task"], event["model"]) == (12.346, "count", "a" * 64)
    assert (event["reference"], event["expected"], event["result"]["count"]) == ("bin-7", 3, 1)
    assert Image.open(io.BytesIO(base64.b64decode(event["thumbnail"]))).size == (64, 64)


def test_of_very_many_labels_an_event_has_the_likeliest(model: Watched) -> None:
    likely = {"label %04d of the network" % at: (2000 - at) / 2001000 for at in range(2000)}
    seen = model.seen(plain(RED))
    result = replace(seen.answer.result, probabilities=likely)
    found = result_json(seen._replace(answer=replace(seen.answer, result=result)))
    assert len(json.dumps(found)) <= MAX_RESULT_BYTES
    assert list(found["probabilities"]) == list(likely)[: len(found["probabilities"])]
    assert len(found["probabilities"]) >= 500
    assert (found["label"], found["confidence"]) == (seen.answer.result.label, round(seen.answer.result.confidence, 6))


def test_of_very_many_boxes_an_event_has_the_surest_and_the_counts_of_all(tmp_path: Path) -> None:
    seen = Watched(tmp_path / "model", "detect").seen(banknotes())
    box = seen.answer.result.detections[0]
    many = tuple(replace(box, confidence=1 - at / 1000) for at in range(400))
    result = replace(seen.answer.result, detections=many, counts={"1000": 400, "2000": 0})
    found = result_json(seen._replace(answer=replace(seen.answer, result=result)))
    assert len(json.dumps(found)) <= MAX_RESULT_BYTES
    assert found["counts"] == {"1000": 400}
    kept = [each["confidence"] for each in found["detections"]]
    assert kept == pytest.approx([1 - at / 1000 for at in range(len(kept))])
    assert len(kept) >= 50


def test_only_counts_have_something_expected(model: Watched) -> None:
    assert "expected" not in event_of(model.seen(plain(RED)), ResultsConfig(expected=3))


def test_a_thumbnail_has_as_many_bytes_as_the_service_takes() -> None:
    noise = Image.effect_noise((400, 300), 200).convert("RGB")
    found = thumbnail(noise, 160)
    assert found is not None
    assert len(found) <= 16000


def test_events_reach_the_outbox_and_those_who_listen(tmp_path: Path, model: Watched) -> None:
    outbox = Outbox(tmp_path / "events", "b" * 16, FrameSpool(tmp_path / "frames", 1))
    heard: List[Seen] = []
    events = Events(ResultsConfig(frames=2, agree=2), outbox, (heard.append,))
    for color in (RED, RED, RED, GREEN, GREEN):
        events(model.seen(plain(color)))
    batch = outbox.batch(10)
    assert batch is not None
    assert [event["result"]["label"] for event in batch.events] == ["landfill", "compost"]
    assert len(heard) == 2
