"""labels.csv with counts: ids are strings, and whatever is left out is said."""

from pathlib import Path

import pytest
from PIL import Image

from training.datasets.counts import import_counts, read_counts, up_to
from training.datasets.photo_set import DatasetError


def write_labels(folder: Path, *rows: str, header: str = "id,expected_quantity,distinct_items") -> Path:
    labels = folder / "labels.csv"
    labels.write_text("\n".join([header, *rows]) + "\n")
    return labels


def write_photo(folder: Path, name: str, shade: int = 90) -> None:
    (folder / "images").mkdir(exist_ok=True)
    Image.new("RGB", (40, 40), (shade, shade, 255 - shade)).save(folder / "images" / name)


def test_ids_are_strings(tmp_path: Path) -> None:
    write_photo(tmp_path, "10.jpg")
    write_photo(tmp_path, "00010.png")
    labels = write_labels(tmp_path, "10,1,1", "00010,4,2")
    found = {photo.path.name: photo.label for photo in read_counts(labels).photos}
    assert found == {"10.jpg": "1", "00010.png": "4"}


def test_lines_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    write_photo(tmp_path, "1.jpg")
    labels = write_labels(tmp_path, "1,2,1", "2,3,1", "3,many,1", "4,-1,1")
    skipped = read_counts(labels).skipped
    assert [each.name for each in skipped] == ["labels.csv line 3", "labels.csv line 4", "labels.csv line 5"]
    assert "no photo" in skipped[0].reason
    assert "no count" in skipped[1].reason


def test_a_file_without_the_columns_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no column expected_quantity"):
        read_counts(write_labels(tmp_path, "1,2", header="id,quantity"))


def test_a_file_that_names_no_photo_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="names no photo"):
        read_counts(write_labels(tmp_path, "1,2,1"))


def test_labels_are_in_the_order_of_the_counts_and_photos_beyond_the_range_are_apart(tmp_path: Path) -> None:
    for index in range(4):
        write_photo(tmp_path, f"{index}.jpg", shade=40 * index)
    labels = write_labels(tmp_path, "0,2,1", "1,11,3", "2,0,0", "3,5,1")
    photos = import_counts(labels)
    within, beyond = up_to(photos, 5)
    assert photos.labels == ("0", "2", "5", "11")
    assert within.labels == ("0", "2", "5")
    assert [photo.label for photo in beyond.photos] == ["11"]
    assert len(within.photos) == 3
