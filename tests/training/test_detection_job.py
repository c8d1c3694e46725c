"""What a detection job says, and that nothing of it is taken without being understood."""

import json
from pathlib import Path

import pytest

from training.datasets.rendered_coins import coin_values, render_table, write_rendered_coins
from training.detection.channel import read_boxed_photos
from training.detection.options import DetectionOptions
from training.layout import TrainingError


def test_options_that_are_not_json_are_refused() -> None:
    with pytest.raises(TrainingError, match="options is not JSON"):
        DetectionOptions.parse("{values")


def test_an_unknown_option_is_named() -> None:
    with pytest.raises(TrainingError, match="unknown names: valeus"):
        DetectionOptions.parse('{"valeus": {}}')


def test_values_are_those_of_the_labels_and_a_stranger_is_refused() -> None:
    options = DetectionOptions.parse('{"values": {"two": 2}}')
    assert options.values_of(("one", "two")) == (None, 2)
    with pytest.raises(TrainingError, match="no frame has: two"):
        options.values_of(("one",))


def test_a_weaker_augmentation_changes_less() -> None:
    weak, strong = (DetectionOptions().augmentation(strength) for strength in (0.5, 1.0))
    assert (weak.light, weak.zoom) == (strong.light / 2, strong.zoom / 2)


def test_rendered_tables_are_the_same_for_the_same_seed() -> None:
    first, second, other = (render_table(seed, 4) for seed in (3, 3, 4))
    assert first.picture.tobytes() == second.picture.tobytes()
    assert first.rows == second.rows
    assert first.picture.tobytes() != other.picture.tobytes()


def test_rendered_coins_lie_apart_and_inside_the_picture() -> None:
    for seed in range(20):
        rows = render_table(seed, 5).rows
        for row in rows:
            assert all(0.0 <= side <= 1.0 for side in row[1:])
        centres = [((row[1] + row[3]) / 2, (row[2] + row[4]) / 2, (row[3] - row[1]) / 2) for row in rows]
        for index, (x, y, radius) in enumerate(centres):
            for x2, y2, radius2 in centres[index + 1 :]:
                assert (x - x2) ** 2 + (y - y2) ** 2 > (radius + radius2) ** 2


def test_a_rendered_set_names_its_classes_and_holds_every_number_of_coins(tmp_path: Path) -> None:
    manifest = write_rendered_coins(tmp_path, 12, seed=1)
    boxed = read_boxed_photos(manifest)
    assert set(boxed.labels) == set(coin_values())
    assert sorted({len(photo.rows) for photo in boxed.photos}) == [0, 1, 2, 3, 4, 5]
    assert json.loads(manifest.read_text().splitlines()[0])["coins-metadata"]["human-annotated"] == "no"
