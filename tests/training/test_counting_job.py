"""What a counting job refuses before it costs anything."""

from pathlib import Path

import pytest

from training.counting.training import train_counter
from training.datasets.rendered_bins import render_bin
from training.layout import ContainerLayout, TrainingError
from training.settings import TrainSettings
from training.weights import Checkpoints


def layout_with(root: Path, *labels: str) -> ContainerLayout:
    for label in labels:
        folder = root / "input" / "data" / "train" / label
        folder.mkdir(parents=True)
        render_bin(1, 1, 64).save(folder / "photo.png")
    return ContainerLayout(root)


def train(layout: ContainerLayout) -> None:
    train_counter(layout, TrainSettings(task="count", image_size=64), Checkpoints(layout.checkpoints, "job"))


def test_a_label_that_is_no_count_is_named(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="'many' is no count"):
        train(layout_with(tmp_path, "0", "many"))


def test_a_count_without_photos_is_noticed(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="every one with photos; found 0, 2, 4: add photos of 1, 3"):
        train(layout_with(tmp_path, "4", "0", "2"))


def test_counts_may_begin_above_nothing(tmp_path: Path) -> None:
    """As in the tutorials, which train on 1 to 5: it goes on to what is missing next."""
    with pytest.raises(TrainingError, match="the channel validation is missing"):
        train(layout_with(tmp_path, "1", "2", "3"))


def test_without_its_channel_nothing_is_trained(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="the channel train is missing"):
        train(ContainerLayout(tmp_path))
