"""What a job says of its classes before it trains."""

from __future__ import annotations

from pathlib import Path

from training.datasets.balance import balance_lines, channel_counts
from training.datasets.rendered import write_rendered_waste
from training.datasets.rendered_coins import write_rendered_coins


def test_photos_are_counted_by_class(tmp_path: Path) -> None:
    write_rendered_waste(tmp_path / "photos", 2, side=32)
    assert channel_counts(tmp_path / "photos") == {"compost": 2, "landfill": 2, "recycling": 2}


def test_of_frames_the_objects_are_counted(tmp_path: Path) -> None:
    manifest = write_rendered_coins(tmp_path / "coins", 12)
    counts = channel_counts(tmp_path / "coins")
    assert set(counts) == {"one", "two", "five"}
    assert sum(counts.values()) == manifest.read_text().count('"class_id"')


def test_rare_classes_and_small_ones_are_named_apart() -> None:
    lines = balance_lines({"glass": 1000, "metal": 200, "paper": 900, "trash": 20})
    assert any("fewer than 60: trash." in line for line in lines)
    assert any("rare beside the largest class: metal." in line for line in lines)
    assert any(line.startswith("  glass   1000 ####") for line in lines)


def test_balanced_classes_get_no_advice() -> None:
    assert len(balance_lines({"a": 300, "b": 280})) == 3


def test_many_classes_are_not_all_listed() -> None:
    lines = balance_lines({f"class-{number}": 100 for number in range(90)})
    assert len(lines) == 26
    assert lines[-1] == "  ... and 66 classes more"
