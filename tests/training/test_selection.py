"""A part of a data set, chosen by content, split, and written as built-in algorithms read it."""

from pathlib import Path

import pytest

from tests.training.photo_files import write_photo
from training.datasets.formats import import_photos, list_photos
from training.datasets.lst import read_lst
from training.datasets.rendered_coins import write_rendered_coins
from training.datasets.select import main
from training.detection.channel import read_boxed_photos


@pytest.fixture
def bins(tmp_path: Path) -> Path:
    rows = []
    for index in range(40):
        write_photo(tmp_path / "bins" / "images" / f"{index:05}.jpg", index)
        rows.append(f"{index:05},{index % 4}")
    (tmp_path / "bins" / "labels.csv").write_text("\n".join(["id,expected_quantity", *rows]) + "\n")
    return tmp_path / "bins"


def select(data: Path, out: Path, *options: str, task: str = "count") -> int:
    return main(["--data", str(data), "--task", task, "--out", str(out), *options])


def test_so_many_of_each_label_are_chosen_and_read_again(bins: Path, tmp_path: Path) -> None:
    assert select(bins, tmp_path / "part", "--labels", "1,2,3", "--per-label", "6") == 0
    assert import_photos(tmp_path / "part", "count").counts() == {"1": 6, "2": 6, "3": 6}


def test_a_part_still_says_which_photos_belong_together(bins: Path, tmp_path: Path) -> None:
    header, *rows = (bins / "labels.csv").read_text().splitlines()
    lines = [f"{header},site", *(f"{row},s{index % 5}" for index, row in enumerate(rows))]
    (bins / "labels.csv").write_text("\n".join(lines))
    assert select(bins, tmp_path / "part", "--per-label", "6") == 0
    assert {photo.group for photo in import_photos(tmp_path / "part", "count").photos} <= {f"s{n}" for n in range(5)}


def test_the_same_photos_are_chosen_whatever_they_are_called(bins: Path, tmp_path: Path) -> None:
    select(bins, tmp_path / "first", "--per-label", "5")
    for path in (bins / "images").iterdir():
        path.rename(path.with_name(f"9{path.name}"))
    (bins / "labels.csv").write_text((bins / "labels.csv").read_text().replace("\n0", "\n90"))
    select(bins, tmp_path / "second", "--per-label", "5")
    chosen = [{path.name for path in (tmp_path / name / "photos").iterdir()} for name in ("first", "second")]
    assert chosen[0] == chosen[1]
    assert len(chosen[0]) == 20


def test_a_set_is_split_in_three_with_lists_and_records(bins: Path, tmp_path: Path) -> None:
    assert select(bins, tmp_path / "split", "--split", "--lists", "--records") == 0
    sizes = {name: len(list_photos(tmp_path / "split" / name, "count").photos) for name in ("train", "test")}
    assert sizes["train"] > sizes["test"] > 0
    listing = read_lst(tmp_path / "split" / "train_lst" / "train.lst")
    assert len(listing.photos) == sizes["train"]
    index = (tmp_path / "split" / "train" / "photos.idx").read_text().splitlines()
    assert len(index) == sizes["train"]


def test_frames_with_boxes_are_split_by_sequence_and_written_as_records(tmp_path: Path) -> None:
    coins = write_rendered_coins(tmp_path / "coins", 40, seed=1)
    assert select(coins, tmp_path / "split", "--split", "--records", task="detect") == 0
    assert (tmp_path / "split" / "train" / "photos.rec").stat().st_size > 1000
    assert read_boxed_photos(tmp_path / "split" / "test").photos


@pytest.mark.parametrize(
    ("options", "message"),
    [(["--labels", "1,9"], "no photo has the label 9"), (["--lists"], "goes with --split")],
)
def test_what_cannot_be_selected_is_said_and_leaves_nothing(
    bins: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    assert select(bins, tmp_path / "out", *options) == 1
    assert message in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bins"]


def test_a_folder_that_is_there_is_not_written_into(bins: Path, tmp_path: Path) -> None:
    assert select(bins, bins) == 1
    assert (bins / "labels.csv").exists()
