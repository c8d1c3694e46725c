"""Capture: what is worth a human's look, not too much of it, nothing twice."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any, List

import pytest
from PIL import Image

from device.capture import Cap, Capture, look_of
from device.config import CaptureConfig
from device.frame_spool import FrameSpool
from tests.device.models import GREEN, RED, plain
from tests.device.seen import Watched


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Watched:
    return Watched(tmp_path_factory.mktemp("capture") / "model")


def pattern(seed: int) -> Image.Image:
    """A picture that looks like no other."""
    draw = random.Random(seed)
    image = Image.new("RGB", (64, 64))
    for x in range(8):
        for y in range(8):
            level = draw.randrange(256)
            image.paste((level, level // 2, level // 3), (x * 8, y * 8, x * 8 + 8, y * 8 + 8))
    return image


def captured(folder: Path, model: Watched, images: List[Any], every_s: float = 1.0, **options: Any) -> FrameSpool:
    spool = FrameSpool(folder / "frames", 10**7)
    capture = Capture(CaptureConfig(**options), spool, random.Random(1), folder / "captured.json")
    capture._worker._queue.maxsize = 1000
    for at, image in enumerate(images):
        capture(model.seen(image, at * every_s))
    capture.stop()
    return spool


def test_without_samplers_nothing_is_taken(tmp_path: Path, model: Watched) -> None:
    assert len(captured(tmp_path, model, [pattern(at) for at in range(20)])) == 0


def test_the_random_sampler_takes_its_share(tmp_path: Path, model: Watched) -> None:
    images = [pattern(at) for at in range(200)]
    spool = captured(tmp_path, model, images, samplers=("random",), share=0.1, per_hour=1000, per_day=1000)
    assert 8 <= len(spool) <= 35


def test_caps_hold_and_open_again(tmp_path: Path, model: Watched) -> None:
    images = [pattern(at) for at in range(40)]
    options: Any = {"samplers": ("random",), "share": 1.0, "per_hour": 3, "per_day": 10}
    assert len(captured(tmp_path / "a", model, images, 1.0, **options)) == 3
    assert len(captured(tmp_path / "b", model, images, 1800.0, **options)) == 10


def test_caps_hold_over_restarts(tmp_path: Path, model: Watched) -> None:
    options: Any = {"samplers": ("random",), "share": 1.0, "per_hour": 3, "per_day": 10}
    for start in range(3):
        spool = captured(tmp_path, model, [pattern(10 * start + at) for at in range(2)], **options)
    assert len(spool) == 3


def test_what_was_kept_and_is_damaged_is_forgotten(tmp_path: Path, model: Watched) -> None:
    (tmp_path / "captured.json").write_text('{"taken": ["x", 1')
    assert len(captured(tmp_path, model, [pattern(1)], samplers=("random",), share=1.0)) == 1


def test_a_clock_that_is_put_back_does_not_close_a_cap() -> None:
    cap = Cap(1, 3600.0)
    cap.take(10_000.0)
    assert not cap.has_room(10_001.0)
    assert cap.has_room(5_000.0)


def test_near_duplicates_are_taken_once(tmp_path: Path, model: Watched) -> None:
    brighter = pattern(1).point(lambda value: min(255, value + 4))
    spool = captured(tmp_path, model, [pattern(1), brighter, pattern(1), pattern(2)], samplers=("random",), share=1.0)
    assert len(spool) == 2


def test_different_pictures_look_different() -> None:
    distances = [bin(look_of(pattern(at)) ^ look_of(pattern(at + 1))).count("1") for at in range(20)]
    assert min(distances) > 10


@pytest.mark.parametrize(
    ("sampler", "color", "taken"),
    [
        ("by_class", GREEN, True),
        ("by_class", RED, False),
        ("scene_mismatch", (3, 3, 3), True),
        ("scene_mismatch", RED, False),
        ("near_threshold", (120, 110, 0), True),
        ("near_threshold", RED, False),
    ],
)
def test_samplers_take_what_they_are_for(tmp_path: Path, model: Watched, sampler: str, color: Any, taken: bool) -> None:
    spool = captured(tmp_path, model, [plain(color)], samplers=(sampler,), labels=("compost",))
    assert len(spool) == int(taken)
    frame = spool.oldest()
    assert (frame is not None) == taken
    if frame is not None:
        assert frame.document["sampler"] == sampler
        assert frame.document["thought"]["probabilities"]


def test_frames_are_jpegs_of_the_wanted_width(tmp_path: Path, model: Watched) -> None:
    image = pattern(3).resize((800, 600))
    spool = captured(tmp_path, model, [image], samplers=("random",), share=1.0, width_px=320)
    frame = spool.oldest()
    assert frame is not None
    with Image.open(str(frame.path)) as taken:
        assert taken.size == (320, 240)


def test_a_spool_keeps_the_newest_within_its_bound(tmp_path: Path) -> None:
    spool = FrameSpool(tmp_path / "frames", 2500)
    for at in range(5):
        spool.put(bytes(1000), {"at": at})
    frame = FrameSpool(tmp_path / "frames", 2500).oldest()
    assert (len(spool), spool.dropped) == (2, 3)
    assert frame is not None
    assert frame.document == {"at": 3}


def test_what_a_kill_or_somebody_else_left_beside_the_frames_does_no_harm(tmp_path: Path) -> None:
    folder = tmp_path / "frames"
    FrameSpool(folder, 2500).put(b"jpeg", {"at": 1})
    (folder / "000000000002.json").write_text("{")
    for name in ("holiday.jpg", "holiday.json"):
        (folder / name).write_bytes(b"not ours")
    spool = FrameSpool(folder, 2500)
    assert len(spool) == 1
    left = ["000000000001.jpg", "000000000001.json", "holiday.jpg", "holiday.json"]
    assert sorted(path.name for path in folder.iterdir()) == left
    assert spool.put(b"jpeg", {"at": 2})
    assert (folder / "000000000002.jpg").exists()
