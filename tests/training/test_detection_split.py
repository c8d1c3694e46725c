"""Frames with boxes on the sides of a split: sequences, groups and sites, copies and near copies."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from tests.training.photo_files import box, write_manifest
from training.datasets.formats import list_photos
from training.datasets.photo_set import DatasetError
from training.datasets.rendered_coins import write_rendered_coins
from training.detection.channel import (
    BoxedPhoto,
    Row,
    read_boxed_photos,
    write_boxed_channel,
)
from training.detection.near_copies import apart
from training.detection.split import SequenceSplit, hold_out_sequence, split_frames, split_sequences
from training.tasks.detect import prepare, without_copies


def numbered(name: str, count: int) -> list[BoxedPhoto]:
    return [BoxedPhoto(Path(f"{name}_{index}.png"), (10, 10), (), {}) for index in range(count)]


def test_the_tail_of_each_sequence_is_held_out_after_a_gap() -> None:
    split = split_sequences(numbered("a", 20) + numbered("b", 10), validation_share=0.1, test_share=0.2, gap=1)
    places = {
        part: [photo.place for photo in getattr(split, part) if photo.sequence == "a"]
        for part in ("train", "validation", "test", "unused")
    }
    assert places == {
        "train": list(range(12)),
        "validation": [13, 14],
        "test": [16, 17, 18, 19],
        "unused": [12, 15],
    }


def test_no_frame_is_on_two_sides_and_none_is_lost() -> None:
    photos = numbered("a", 23) + numbered("b", 51) + numbered("c", 2)
    split = split_sequences(photos)
    parts = [photo.path for part in (split.train, split.validation, split.test, split.unused) for photo in part]
    assert sorted(parts) == sorted(photo.path for photo in photos)


def test_a_whole_sequence_can_be_held_out() -> None:
    rest, held_out = hold_out_sequence(numbered("front", 3) + numbered("back", 2), "back")
    assert {photo.sequence for photo in rest} == {"front"}
    assert len(held_out) == 2


def test_a_copy_of_a_frame_in_another_sequence_is_left_out(tmp_path: Path) -> None:
    write_rendered_coins(tmp_path / "coins", 6, seed=4)
    manifest = tmp_path / "coins" / "annotations.manifest"
    first, *_ = manifest.read_text().splitlines()
    copied = json.loads(first)
    original = tmp_path / "coins" / copied["source-ref"]
    (original.parent / "shelf_1.png").write_bytes(original.read_bytes())
    copied["source-ref"] = "images/shelf_1.png"
    manifest.write_text(manifest.read_text() + json.dumps(copied) + "\n")
    boxed = without_copies(read_boxed_photos(manifest))
    assert len(boxed.photos) == boxed.report.read == 6
    assert boxed.report.skipped[0].reason == f"it is the same photo as {original.name}"


def test_a_sequence_that_lines_name_is_split_by_its_tail_whatever_the_photos_are_called(tmp_path: Path) -> None:
    photos = read_boxed_photos(attributed(tmp_path, [{"sequence": f"lamp-{index % 2}"} for index in range(24)])).photos
    split = split_frames(photos)
    for part, places in (("train", [0, 2, 4, 6, 8, 10, 12]), ("test", [20, 22])):
        lamp = [photo.path.stem for photo in getattr(split, part) if photo.sequence == "lamp-0"]
        assert lamp == [f"frame{place}x" for place in places]


@pytest.mark.parametrize("attribute", ["group", "site", "camera"])
def test_frames_of_one_camera_or_place_stay_on_one_side(tmp_path: Path, attribute: str) -> None:
    manifest = attributed(tmp_path, [{attribute: index % 6, "sequence": "all"} for index in range(48)])
    boxed = read_boxed_photos(manifest)
    split = split_frames(boxed.photos)
    sides = [{photo.group for photo in part} for part in (split.train, split.validation, split.test)]
    assert all(sides)
    assert sum(map(len, sides)) == 6
    assert not split.unused
    assert f"photos of one {attribute} stay on one side of a split" in boxed.report.notes


def test_frames_of_two_cameras_are_not_split_in_three(tmp_path: Path) -> None:
    photos = read_boxed_photos(attributed(tmp_path, [{"camera": index % 2} for index in range(8)])).photos
    with pytest.raises(DatasetError, match="cannot be split in three: they are of 2 groups"):
        split_frames(photos)


def test_what_a_frame_belongs_to_is_written_with_it(tmp_path: Path) -> None:
    boxed = read_boxed_photos(attributed(tmp_path, [{"camera": "left", "sequence": "lamp"}, {}]))
    for photo in boxed.photos:
        Image.new("RGB", (64, 48)).save(photo.path)
    write_boxed_channel(boxed.photos, boxed.labels, tmp_path / "channel")
    again = read_boxed_photos(tmp_path / "channel").photos
    assert [(photo.group, photo.sequence) for photo in again] == [("left", "lamp"), ("", "frame1x")]


def test_boxes_of_an_attribute_called_group_are_no_group(tmp_path: Path) -> None:
    manifest = write_manifest(tmp_path, box(0, 0, 0, 10, 10))
    manifest.write_text(manifest.read_text().replace('"cash"', '"group"'))
    (photo,) = read_boxed_photos(manifest).photos
    assert (photo.group, len(photo.rows)) == ("", 1)


@pytest.mark.parametrize("attribute", ["site", "sequence"])
@pytest.mark.parametrize("task", ["classify", "count"])
def test_boxes_read_as_classes_or_counts_keep_what_the_photo_belongs_to(
    tmp_path: Path, task: str, attribute: str
) -> None:
    manifest = attributed(tmp_path, [{attribute: "hall"}, {attribute: 7}])
    for index in range(2):
        Image.new("RGB", (64, 48)).save(tmp_path / f"frame{index}x.png")
    assert [photo.group for photo in list_photos(manifest, task).photos] == ["hall", "7"]


def attributed(folder: Path, attributes: list[dict[str, object]]) -> Path:
    """A manifest of a frame for each, none of which has a name that says its place."""
    cash = {"image_size": [{"width": 64, "height": 48, "depth": 3}], "annotations": [box(0, 4, 4, 20, 20)]}
    lines = [{"source-ref": f"frame{index}x.png", "cash": cash, **each} for index, each in enumerate(attributes)]
    manifest = folder / "annotations.manifest"
    manifest.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return manifest


def test_frames_nearly_the_same_as_a_held_out_one_are_left_out_of_what_comes_before_it() -> None:
    photos = numbered("a", 20)
    split = split_sequences(photos)
    hashes = {photo.path: 0xFFFF << (16 * photo.place) for photo in photos}  # 32 bits from each other
    held_out, checked = split.test[0], split.validation[0]
    hashes[split.train[3].path] = hashes[held_out.path] ^ 0b111
    hashes[split.train[5].path] = hashes[checked.path] ^ ((1 << 15) - 1)
    hashes[split.train[6].path] = hashes[checked.path] ^ ((1 << 16) - 1)
    kept = apart(split, hashes)
    assert [photo.place for photo in kept.train] == [0, 1, 2, 4, *range(6, len(split.train))]
    assert (kept.validation, kept.test) == (split.validation, split.test)
    assert len(kept.unused) == len(split.unused) + 2


def test_a_validation_frame_nearly_the_same_as_a_test_frame_is_left_out() -> None:
    photos = numbered("a", 30)
    split = split_sequences(photos)
    hashes = {photo.path: 0xFFFF << (16 * photo.place) for photo in photos}
    hashes[split.validation[0].path] = hashes[split.test[1].path]
    kept = apart(split, hashes)
    assert kept.validation == split.validation[1:]
    assert (kept.train, kept.test) == (split.train, split.test)


@pytest.mark.parametrize(
    ("rows", "is_kept"),
    [
        (((0.0, 0.1, 0.1, 0.5, 0.5), (1.0, 0.6, 0.6, 0.9, 0.9)), False),
        (((1.0, 0.61, 0.6, 0.91, 0.9), (0.0, 0.1, 0.12, 0.5, 0.5)), False),
        (((0.0, 0.3, 0.3, 0.7, 0.7), (1.0, 0.6, 0.6, 0.9, 0.9)), True),
        (((1.0, 0.1, 0.1, 0.5, 0.5), (0.0, 0.6, 0.6, 0.9, 0.9)), True),
        (((0.0, 0.1, 0.1, 0.5, 0.5),), True),
        ((), True),
    ],
    ids=["same", "moved-a-little", "elsewhere", "other-classes", "one-gone", "empty"],
)
def test_frames_of_one_table_are_no_copies_where_something_else_lies_on_it(
    rows: tuple[Row, ...], is_kept: bool
) -> None:
    photos = numbered("a", 20)
    split = split_sequences(photos)
    hashes = dict.fromkeys([photo.path for photo in photos], 7)
    there = ((0.0, 0.1, 0.1, 0.5, 0.5), (1.0, 0.6, 0.6, 0.9, 0.9))
    train, held_out = replace(split.train[0], rows=rows), replace(split.test[0], rows=there)
    kept = apart(SequenceSplit((train,), (), (held_out,), ()), hashes)
    assert bool(kept.train) == is_kept


def test_a_frame_encoded_again_is_on_no_two_sides(tmp_path: Path) -> None:
    write_rendered_coins(tmp_path / "coins", 40, seed=4)
    manifest = tmp_path / "coins" / "annotations.manifest"
    last = json.loads(manifest.read_text().splitlines()[-1])
    with Image.open(tmp_path / "coins" / last["source-ref"]) as photo:
        photo.convert("RGB").save(tmp_path / "coins" / "images" / "lamp_1.jpg", quality=92)
    last["source-ref"] = "images/lamp_1.jpg"
    manifest.write_text(json.dumps(last) + "\n" + manifest.read_text())
    data = prepare(manifest, tmp_path, tmp_path / "channels", seed=0)
    names = [photo.path.name for photo in read_boxed_photos(tmp_path / "channels" / "train").photos]
    assert "table_00000.png" in names
    assert "lamp_1.jpg" not in names
    assert any("nearly the same" in line for line in data.report)
