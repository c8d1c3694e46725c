"""Boxes stay on their objects whatever is done to the picture."""

import numpy as np
import pytest

from training.detection.augmentation import Augmentation, ObjectPool, add_objects, augment, mirror, turn, zoom
from training.detection.boxes import overlap
from training.detection.frames import Frame, batch_labels, make_frame

SIDE_PX = 80
RED = (250, 0, 0)


def frame_with_a_red_box(left: int = 10, top: int = 20, right: int = 40, bottom: int = 30) -> Frame:
    pixels = np.full((SIDE_PX, SIDE_PX, 3), 60, dtype=np.uint8)
    pixels[top:bottom, left:right] = RED
    row = (1, left / SIDE_PX, top / SIDE_PX, right / SIDE_PX, bottom / SIDE_PX)
    return make_frame(pixels, [row])


def red_boxes_seen(frame: Frame) -> np.ndarray:
    """The box around all that is red, in 0-1."""
    red = (frame.pixels[..., 0] > 150) & (frame.pixels[..., 1] < 90)
    rows, columns = np.flatnonzero(red.any(axis=1)), np.flatnonzero(red.any(axis=0))
    corners = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
    return np.array([corners], dtype=np.float32) / SIDE_PX


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_boxes_turn_with_the_picture(quarters: int) -> None:
    turned = turn(frame_with_a_red_box(), quarters)
    assert turned.boxes == pytest.approx(red_boxes_seen(turned), abs=1e-6)


def test_boxes_are_mirrored_with_the_picture() -> None:
    mirrored = mirror(frame_with_a_red_box())
    assert mirrored.boxes == pytest.approx(red_boxes_seen(mirrored), abs=1e-6)


@pytest.mark.parametrize("seed", range(6))
def test_boxes_zoom_with_the_picture(seed: int) -> None:
    zoomed = zoom(frame_with_a_red_box(30, 30, 50, 45), 0.3, np.random.RandomState(seed))
    assert overlap(zoomed.boxes, red_boxes_seen(zoomed))[0, 0] > 0.8


def test_a_box_that_zooming_cuts_away_is_neither_labelled_nor_shown() -> None:
    cornered = frame_with_a_red_box(0, 0, 8, 8)
    seen = [zoom(cornered, 0.5, np.random.RandomState(seed)) for seed in range(40)]
    gone = [frame for frame in seen if frame.count == 0]
    assert gone
    for frame in gone:
        assert not ((frame.pixels[..., 0] > 200) & (frame.pixels[..., 1] < 40)).any()


def test_added_objects_cover_none_of_the_frames_own() -> None:
    frame = frame_with_a_red_box()
    crowded = add_objects(frame, ObjectPool.of([frame]), 5, np.random.RandomState(3))
    assert crowded.count > 1
    shared = overlap(crowded.boxes, crowded.boxes) - np.eye(crowded.count)
    assert shared.max() == pytest.approx(0.0, abs=1e-6)
    assert crowded.classes.tolist() == [1] * crowded.count


def test_the_frame_that_objects_are_added_to_stays_as_it_was() -> None:
    frame = frame_with_a_red_box()
    before = frame.pixels.copy()
    add_objects(frame, ObjectPool.of([frame]), 5, np.random.RandomState(3))
    assert (frame.pixels == before).all()


def test_the_same_seed_gives_the_same_variation() -> None:
    frame = frame_with_a_red_box()
    first, second = (augment(frame, ObjectPool.of([frame]), Augmentation(), np.random.RandomState(7)) for _ in range(2))
    assert (first.pixels == second.pixels).all()
    assert (first.boxes == second.boxes).all()


def test_rare_classes_are_added_as_often_as_common_ones() -> None:
    common = frame_with_a_red_box()
    rare = make_frame(common.pixels, [(0, 0.1, 0.1, 0.3, 0.3)])
    pool = ObjectPool.of([common] * 9 + [rare])
    random = np.random.RandomState(0)
    drawn = [int(donor.classes[index]) for donor, index in (pool.draw(random) for _ in range(400))]
    assert 150 < drawn.count(0) < 250


def test_labels_are_padded_with_minus_one_and_refuse_more_boxes_than_they_hold() -> None:
    frame = frame_with_a_red_box()
    labels = batch_labels([frame], 2)
    assert labels.shape == (1, 2, 5)
    assert labels[0, 1].tolist() == [-1.0] * 5
    with pytest.raises(ValueError, match="has 1 boxes, the label holds 0"):
        batch_labels([frame], 0)
