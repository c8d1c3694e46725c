"""Average precision, counts, sums and thresholds of a detector, on cases small enough to do by hand."""

import numpy as np
import pytest

from training.detection.boxes import overlap
from training.detection.evaluation import (
    choose_thresholds,
    evaluate_detections,
    measure_frames,
    over_threshold,
)
from training.detection.frames import Frame, make_frame

LEFT_HALF, RIGHT_HALF = (0.0, 0.0, 0.5, 1.0), (0.5, 0.0, 1.0, 1.0)


def frame(*rows: tuple[float, ...]) -> Frame:
    return make_frame(np.zeros((4, 4, 3), dtype=np.uint8), rows)


def detections(*rows: tuple[float, ...]) -> np.ndarray:
    return np.array(rows, dtype=np.float32).reshape(-1, 6)


def average_precision(found: list[np.ndarray], frames: list[Frame], label: int) -> float | None:
    return evaluate_detections(found, frames, [0.5], [1.0]).precision[label]


def test_overlap_is_the_shared_area_over_the_united() -> None:
    first = np.array([[0.0, 0.0, 0.5, 0.5]], dtype=np.float32)
    second = np.array([[0.25, 0.0, 0.75, 0.5], [0.6, 0.6, 1.0, 1.0]], dtype=np.float32)
    assert overlap(first, second) == pytest.approx(np.array([[1 / 3, 0.0]]))


def test_perfect_boxes_have_a_precision_of_one() -> None:
    assert average_precision([detections((0, 0.9, *LEFT_HALF))], [frame((0, *LEFT_HALF))], 0) == pytest.approx(1.0)


def test_a_second_hit_of_one_object_counts_as_a_miss() -> None:
    found = detections((0, 0.9, *LEFT_HALF), (0, 0.8, *LEFT_HALF), (0, 0.7, *RIGHT_HALF))
    # Hits at ranks 1 and 3 of two objects: (1/1 + 2/3) / 2.
    assert average_precision([found], [frame((0, *LEFT_HALF), (0, *RIGHT_HALF))], 0) == pytest.approx(5 / 6)


def test_a_box_that_overlaps_too_little_is_a_miss() -> None:
    assert average_precision([detections((0, 0.9, 0.0, 0.0, 0.2, 1.0))], [frame((0, *LEFT_HALF))], 0) == 0.0


def test_precision_of_a_class_that_no_frame_has_is_unknown_and_left_out_of_the_mean() -> None:
    metrics = evaluate_detections([detections((0, 0.9, *LEFT_HALF))], [frame((0, *LEFT_HALF))], [0.5, 0.5], [1.0, 2.0])
    assert metrics.precision == {0: pytest.approx(1.0), 1: None}
    assert metrics.map50 == pytest.approx(1.0)


def test_misses_across_frames_are_ranked_together() -> None:
    surer_but_wrong = detections((0, 0.95, *RIGHT_HALF))
    right = detections((0, 0.6, *LEFT_HALF))
    assert average_precision([surer_but_wrong, right], [frame(), frame((0, *LEFT_HALF))], 0) == pytest.approx(0.5)


def test_the_sum_is_right_when_wrong_classes_add_up_and_the_count_is_not() -> None:
    truth = [frame((0, *LEFT_HALF), (0, *RIGHT_HALF))]
    found = [detections((1, 0.9, *LEFT_HALF))]
    metrics = evaluate_detections(found, truth, [0.5, 0.5], [1.0, 2.0])
    assert (metrics.sum_right, metrics.count_right) == (1.0, 0.0)


def test_without_a_value_for_every_class_there_is_no_sum() -> None:
    metrics = evaluate_detections([detections((0, 0.9, *LEFT_HALF))], [frame((0, *LEFT_HALF))], [0.5, 0.5], [1.0, None])
    assert metrics.sum_right is None


def test_each_class_has_a_threshold_of_its_own() -> None:
    found = detections((0, 0.4, *LEFT_HALF), (1, 0.4, *RIGHT_HALF))
    assert over_threshold(found, [0.3, 0.5])[:, 0].tolist() == [0.0]


def test_the_threshold_lies_in_the_middle_between_true_and_false_boxes() -> None:
    found = [detections((0, 0.8, *LEFT_HALF), (0, 0.4, *RIGHT_HALF)), detections((0, 0.9, *LEFT_HALF))]
    (threshold,) = choose_thresholds(found, [frame((0, *LEFT_HALF)), frame((0, *LEFT_HALF))], 1)
    assert threshold == pytest.approx(0.6, abs=0.02)


def test_a_frame_without_objects_or_boxes_is_right() -> None:
    metrics = evaluate_detections([detections()], [frame()], [0.5], [5.0])
    assert (metrics.count_right, metrics.sum_right, metrics.map50) == (1.0, 1.0, None)


def test_drawing_frames_anew_gives_the_figures_of_those_frames() -> None:
    frames = [frame((0, *LEFT_HALF)), frame((0, *LEFT_HALF)), frame()]
    found = [detections((0, 0.9, *LEFT_HALF)), detections(), detections((0, 0.8, *LEFT_HALF))]
    measured = measure_frames(found, frames, [0.5], [1.0])
    again = evaluate_detections([found[1], found[1], found[2]], [frames[1], frames[1], frames[2]], [0.5], [1.0])
    assert measured.metrics(np.array([1, 1, 2])) == again
    assert measured.metrics(np.array([0])).map50 == 1.0


def test_the_curve_tells_recall_and_precision_from_the_surest_box_on() -> None:
    frames = [frame((0, *LEFT_HALF), (0, *RIGHT_HALF))]
    found = [detections((0, 0.9, *LEFT_HALF), (0, 0.8, 0.2, 0.2, 0.3, 0.3), (0, 0.7, *RIGHT_HALF))]
    curve = measure_frames(found, frames, [0.5], [1.0]).curve(0, np.array([0]))
    assert curve is not None
    assert curve == pytest.approx(np.array([[0.5, 1.0], [0.5, 0.5], [1.0, 2 / 3]]))


def test_an_object_is_found_by_a_box_over_the_threshold_and_once_only() -> None:
    frames = [frame((0, *LEFT_HALF), (0, *RIGHT_HALF))]
    found = [detections((0, 0.9, *LEFT_HALF), (0, 0.8, *LEFT_HALF), (0, 0.4, *RIGHT_HALF))]
    measured = measure_frames(found, frames, [0.5], [1.0])
    assert (measured.found([0.5]), measured.found([0.3])) == ([1], [2])
