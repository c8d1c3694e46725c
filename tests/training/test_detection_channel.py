"""Augmented manifests with boxes, read, split and written again."""

import json
from pathlib import Path

import pytest

from device.runtime.manifest_types import InputSpec
from tests.training.photo_files import box, write_manifest
from training.datasets.photo_set import DatasetError
from training.datasets.rendered_coins import write_rendered_coins
from training.detection.channel import (
    load_frames,
    read_boxed_photos,
    require_every_class,
    write_boxed_channel,
)
from training.detection.hold_out import hold_out


def test_boxes_become_shares_of_the_photo(tmp_path: Path) -> None:
    write_manifest(tmp_path, box(0, 20, 10, 100, 50))
    (photo,) = read_boxed_photos(tmp_path).photos
    assert photo.rows == ((0.0, 0.1, 0.1, 0.6, 0.6),)


def test_classes_are_named_by_the_class_map_and_stripped(tmp_path: Path) -> None:
    write_manifest(tmp_path, box(1, 0, 0, 10, 10), class_map={"0": "one\n", "1": " two"})
    assert read_boxed_photos(tmp_path).labels == ("one", "two")


def test_a_class_without_a_name_is_refused(tmp_path: Path) -> None:
    write_manifest(tmp_path, box(2, 0, 0, 10, 10))
    with pytest.raises(DatasetError, match="class 2 has no name"):
        read_boxed_photos(tmp_path, ["a", "b"])


def test_a_box_that_reaches_out_of_the_photo_is_cut_and_one_outside_is_skipped_and_reported(tmp_path: Path) -> None:
    write_manifest(tmp_path, box(0, -20, 0, 40, 100), box(0, 300, 0, 20, 20))
    boxed = read_boxed_photos(tmp_path)
    assert boxed.photos[0].rows == ((0.0, 0.0, 0.0, 0.1, 1.0),)
    assert "outside the photo" in boxed.report.skipped[0].reason


def test_a_line_that_is_not_json_is_named_by_its_number(tmp_path: Path) -> None:
    manifest = write_manifest(tmp_path, box(0, 0, 0, 10, 10))
    manifest.write_text(manifest.read_text() + "{oops\n")
    with pytest.raises(DatasetError, match="line 2: not JSON"):
        read_boxed_photos(manifest)


def test_a_line_without_boxes_is_named_by_its_number(tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.jsonl"
    manifest.write_text('{"source-ref": "a.png"}\n')
    with pytest.raises(DatasetError, match="line 1: no attribute holds annotations"):
        read_boxed_photos(manifest)


def test_a_photo_that_is_missing_is_named(tmp_path: Path) -> None:
    write_manifest(tmp_path, box(0, 0, 0, 10, 10))
    (tmp_path / "desk_1.png").unlink()
    photos = read_boxed_photos(tmp_path).photos
    with pytest.raises(DatasetError, match=r"desk_1\.png"):
        load_frames(photos, InputSpec("data", 64, 64, "RGB", "NCHW", "squash"))


def test_boxes_follow_the_photo_into_a_letterbox(tmp_path: Path) -> None:
    write_manifest(tmp_path, box(0, 0, 0, 200, 100))
    (frame,) = load_frames(read_boxed_photos(tmp_path).photos, InputSpec("data", 64, 64, "RGB", "NCHW", "letterbox"))
    assert frame.boxes[0].tolist() == pytest.approx([0.0, 0.25, 1.0, 0.75])


def test_a_written_channel_reads_back_the_same(tmp_path: Path) -> None:
    write_rendered_coins(tmp_path / "coins", 6, seed=4)
    original = read_boxed_photos(tmp_path / "coins")
    write_boxed_channel(original.photos, original.labels, tmp_path / "channel")
    again = read_boxed_photos(tmp_path / "channel")
    assert again.labels == original.labels == ("one", "two", "five")
    for first, second in zip(original.photos, again.photos, strict=True):
        assert [value for row in second.rows for value in row] == pytest.approx(
            [value for row in first.rows for value in row]
        )


def test_a_side_is_written_apart_and_keeps_its_sequence(tmp_path: Path) -> None:
    write_rendered_coins(tmp_path / "coins", 5)
    folder = tmp_path / "coins" / "images"
    manifest = tmp_path / "coins" / "annotations.manifest"
    (folder / "table_00004.png").rename(folder / "shelf_00004.png")
    manifest.write_text(manifest.read_text().replace("table_00004", "shelf_00004"))
    assert hold_out(manifest, "shelf", tmp_path / "out") == (4, 1)
    rest = read_boxed_photos(tmp_path / "out" / "rest")
    assert {photo.sequence for photo in rest.photos} == {"table"}
    assert [photo.place for photo in rest.photos] == [0, 1, 2, 3]
    with pytest.raises(DatasetError, match="no sequence attic, only shelf, table"):
        hold_out(manifest, "attic", tmp_path / "out")


def test_two_photos_of_one_name_stay_two(tmp_path: Path) -> None:
    write_manifest(tmp_path, box(0, 0, 0, 10, 10))
    boxed = read_boxed_photos(tmp_path)
    write_boxed_channel(boxed.photos * 2, boxed.labels, tmp_path / "channel")
    paths = [photo.path for photo in read_boxed_photos(tmp_path / "channel").photos]
    assert len(set(paths)) == 2
    assert all(path.is_file() for path in paths)


def test_classes_of_another_set_are_found_by_their_names(tmp_path: Path) -> None:
    box = {"class_id": 0, "left": 4, "top": 4, "width": 20, "height": 20}
    cash = {"image_size": [{"width": 64, "height": 48, "depth": 3}], "annotations": [box]}
    line = {"source-ref": "a.jpg", "cash": cash, "cash-metadata": {"class-map": {"0": "coin", "1": "note"}}}
    (tmp_path / "m.manifest").write_text(json.dumps(line) + "\n")
    boxed = read_boxed_photos(tmp_path / "m.manifest", ["note", "coin"])
    assert boxed.labels == ("note", "coin")
    assert boxed.photos[0].rows[0][0] == 1.0
    with pytest.raises(DatasetError, match="class coin has no name among note, stamp"):
        read_boxed_photos(tmp_path / "m.manifest", ["note", "stamp"])


def test_boxes_at_an_address_are_those_of_the_photo_that_lies_here(tmp_path: Path) -> None:
    manifest = write_manifest(tmp_path, box(0, 20, 10, 100, 50))
    manifest.write_text(manifest.read_text().replace("desk_1.png", "s3://bucket/set/desk_1.png"))
    assert read_boxed_photos(tmp_path).photos[0].path == tmp_path / "desk_1.png"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cash-metadata", None),
        ("cash-metadata", {"class-map": ["a"]}),
        ("cash", {"image_size": [{"width": 200, "height": 100}], "annotations": [box(-1, 0, 0, 10, 10)]}),
        ("cash", {"image_size": [{"width": 200, "height": 100}], "annotations": [box(10**9, 0, 0, 10, 10)]}),
        ("cash", {"image_size": [{"width": 1e999, "height": 100}], "annotations": []}),
    ],
    ids=["metadata", "class-map", "negative", "huge", "infinite"],
)
def test_a_line_whose_boxes_make_no_sense_is_named_by_its_number(tmp_path: Path, name: str, value: object) -> None:
    manifest = write_manifest(tmp_path, box(0, 0, 0, 10, 10))
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), name: value}) + "\n")
    with pytest.raises(DatasetError, match="line 1: boxes cannot be read"):
        read_boxed_photos(manifest)


def test_a_manifest_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "annotations.manifest").write_bytes(b'{"source-ref": "\xff"}')
    with pytest.raises(DatasetError, match="not UTF-8"):
        read_boxed_photos(tmp_path)


def test_a_box_that_is_not_a_number_is_skipped_and_reported(tmp_path: Path) -> None:
    write_manifest(tmp_path, {**box(0, 0, 0, 10, 10), "left": float("nan")}, box(0, 0, 0, 10, 10))  # type: ignore[dict-item]
    boxed = read_boxed_photos(tmp_path)
    assert len(boxed.photos[0].rows) == 1
    assert len(boxed.report.skipped) == 1


def test_a_photo_whose_labelling_failed_is_left_out_and_said_so(tmp_path: Path) -> None:
    manifest = write_manifest(tmp_path, box(0, 0, 0, 10, 10))
    failed = {"source-ref": "desk_2.png", "cash-metadata": {"failure-reason": "too few workers"}}
    manifest.write_text(manifest.read_text() + json.dumps(failed) + "\n")
    boxed = read_boxed_photos(manifest)
    assert len(boxed.photos) == 1
    assert boxed.report.skipped[0].reason == "labelling failed: too few workers"


def test_a_class_without_a_box_is_no_class_to_train(tmp_path: Path) -> None:
    write_manifest(tmp_path, box(1, 0, 0, 10, 10), class_map={"0": "one", "1": "two"})
    boxed = read_boxed_photos(tmp_path)
    with pytest.raises(DatasetError, match="the channel train has no box of one"):
        require_every_class(boxed.labels, boxed.photos, "train")
