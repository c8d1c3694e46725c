"""Every form that labelled photos come in: what is read, what is left out, and that both are said."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.training.photo_files import write_photo
from training.datasets.bin_metadata import read_bin_metadata
from training.datasets.classified_manifest import read_classified_manifest
from training.datasets.coco import read_coco
from training.datasets.folder import import_folder
from training.datasets.labelbox import read_labelbox_boxes, read_labelbox_classes
from training.datasets.labels import alike_notes
from training.datasets.listing import Listing, find_photo
from training.datasets.lst import read_lst
from training.datasets.photo_set import DatasetError
from training.datasets.yolo import read_yolo


def labels_of(listing: Listing) -> dict[str, str]:
    return {photo.path.name: photo.label for photo in listing.photos}


def reasons_of(listing: Listing) -> str:
    return " | ".join(f"{skipped.name}: {skipped.reason}" for skipped in listing.skipped)


def write_json(path: Path, document: Any) -> Path:
    path.write_text(json.dumps(document))
    return path


def write_lines(path: Path, *documents: Any) -> Path:
    path.write_text("".join(f"{json.dumps(document)}\n" for document in documents))
    return path


@pytest.mark.parametrize(
    ("first", "second", "alike"),
    [
        ("Recycle", "Recycling", True),
        ("recyclables", "Recycled", True),
        ("Landfill", "landfill", True),
        ("compost", "landfill", False),
        ("1", "10", False),
    ],
)
def test_two_names_of_one_class_are_hinted_at(first: str, second: str, alike: bool) -> None:
    assert bool(alike_notes([first, second])) is alike


def test_a_list_is_read_with_the_names_of_its_folders(tmp_path: Path) -> None:
    write_photo(tmp_path / "glass" / "a.jpg", 1)
    write_photo(tmp_path / "paper" / "b.jpg", 2)
    (tmp_path / "all.lst").write_text("0\t1\tpaper/b.jpg\n1\t0.000000\tglass/a.jpg\n2\t0\tglass/gone.jpg\n3\t0\n")
    listing = read_lst(tmp_path / "all.lst")
    assert labels_of(listing) == {"a.jpg": "glass", "b.jpg": "paper"}
    assert "all.lst line 3: there is no photo glass/gone.jpg" in reasons_of(listing)
    assert "all.lst line 4" in reasons_of(listing)


def test_a_list_takes_its_names_from_a_file_and_its_photos_from_the_channel_beside_it(tmp_path: Path) -> None:
    write_photo(tmp_path / "train" / "a.jpg", 1)
    (tmp_path / "train_lst").mkdir()
    (tmp_path / "train_lst" / "classes.txt").write_text("glass\npaper\n")
    (tmp_path / "train_lst" / "train.lst").write_text("0\t1\ta.jpg\n")
    listing = read_lst(tmp_path / "train_lst" / "train.lst")
    assert labels_of(listing) == {"a.jpg": "paper"}
    assert listing.notes == ("class glass has no photo",)


def test_a_list_without_names_has_numbers_and_a_class_too_many_is_refused(tmp_path: Path) -> None:
    write_photo(tmp_path / "a.jpg", 1)
    (tmp_path / "x.lst").write_text("0\t2\ta.jpg\n1\ttwo\ta.jpg\n")
    listing = read_lst(tmp_path / "x.lst")
    assert labels_of(listing) == {"a.jpg": "2"}
    assert "'two' is no class index" in reasons_of(listing)
    with pytest.raises(DatasetError, match="class 2 has no name among glass, paper"):
        read_lst(tmp_path / "x.lst", ["glass", "paper"])


def test_a_manifest_of_ground_truth_gives_the_class_names(tmp_path: Path) -> None:
    write_photo(tmp_path / "photos" / "a.jpg", 1)
    metadata = {"class-name": "paper\n", "confidence": 0.9, "type": "groundtruth/image-classification"}
    failed = {"source-ref": "s3://b/k/b.jpg", "kind": -1, "kind-metadata": {"failure-reason": "too few workers"}}
    manifest = write_lines(
        tmp_path / "output.manifest",
        {"source-ref": "s3://bucket/set/photos/a.jpg", "kind": 1, "kind-metadata": metadata},
        failed,
    )
    listing = read_classified_manifest(manifest)
    assert labels_of(listing) == {"a.jpg": "paper"}
    assert "too few workers" in reasons_of(listing)
    assert listing.notes == ("label 'paper\\n' is read as 'paper' (1 photos)",)


def test_a_hand_made_manifest_may_have_names_or_numbers(tmp_path: Path) -> None:
    for index, name in enumerate(("a.jpg", "b.jpg", "c.jpg")):
        write_photo(tmp_path / name, index)
    manifest = write_lines(
        tmp_path / "m.jsonl",
        {"source-ref": "a.jpg", "label": "paper"},
        {"source-ref": "b.jpg", "label": 0},
        {"source-ref": "c.jpg", "label": [0, 1]},
    )
    assert labels_of(read_classified_manifest(manifest, ["glass"])) == {"a.jpg": "paper", "b.jpg": "glass"}
    assert "several labels" in reasons_of(read_classified_manifest(manifest))


def test_the_line_of_a_manifest_that_is_not_json_is_named(tmp_path: Path) -> None:
    (tmp_path / "m.jsonl").write_text('{"source-ref": "a.jpg", "label": 0}\n\n{"source-ref": \n')
    with pytest.raises(DatasetError, match=r"m\.jsonl line 3: not JSON"):
        read_classified_manifest(tmp_path / "m.jsonl")


def labelbox_row(**changes: Any) -> dict[str, Any]:
    box = {"top": 4, "left": 8, "height": 16, "width": 24}
    label = {"objects": [{"title": "Note ", "value": "note", "bbox": box}], "classifications": []}
    row = {"ID": "r1", "Labeled Data": "https://example.org/set/a.jpg?token=1", "Label": label, "External ID": "a.jpg"}
    return {**row, "Skipped": False, **changes}


def test_a_labelbox_export_is_read_with_and_without_external_ids(tmp_path: Path) -> None:
    write_photo(tmp_path / "a.jpg", 1)
    write_photo(tmp_path / "images" / "b.jpg", 2)
    row_without_id = labelbox_row(**{"External ID": None, "Labeled Data": "https://example.org/set/b.jpg?token=2"})
    skipped = labelbox_row(ID="r3", Skipped=True)
    gone = labelbox_row(**{"ID": "r4", "External ID": "gone.jpg"})
    boxed = read_labelbox_boxes(write_json(tmp_path / "export.json", [labelbox_row(), row_without_id, skipped, gone]))
    assert boxed.labels == ("Note",)
    assert [photo.path.name for photo in boxed.photos] == ["a.jpg", "b.jpg"]
    assert boxed.photos[0].rows[0] == pytest.approx((0, 8 / 64, 4 / 48, 32 / 64, 20 / 48))
    reasons = [skipped.reason for skipped in boxed.report.skipped]
    assert reasons == ["it was skipped in Labelbox", "there is no photo gone.jpg"]
    assert "is read as 'Note'" in boxed.report.notes[0]


def test_a_labelbox_export_of_one_photo_alone_is_read(tmp_path: Path) -> None:
    write_photo(tmp_path / "a.jpg", 1)
    assert len(read_labelbox_boxes(write_json(tmp_path / "one.json", labelbox_row())).photos) == 1


def test_labelbox_classifications_are_classes(tmp_path: Path) -> None:
    write_photo(tmp_path / "a.jpg", 1)
    label = {"objects": [], "classifications": [{"title": "kind", "answer": {"title": "Paper", "value": "paper"}}]}
    several = {"objects": [], "classifications": [{"title": "kind", "answer": ["a", "b"]}]}
    rows = [labelbox_row(Label=label), labelbox_row(ID="r2", Label=several)]
    listing = read_labelbox_classes(write_json(tmp_path / "e.json", rows))
    assert labels_of(listing) == {"a.jpg": "Paper"}
    assert "several answers" in reasons_of(listing)


@pytest.mark.skipif("BINSIGHT_DATA" not in os.environ, reason="BINSIGHT_DATA does not name the real data")
def test_the_labelbox_export_of_the_real_data_says_which_photo_is_wanted() -> None:
    with pytest.raises(DatasetError, match="there is no photo"):
        read_labelbox_boxes(Path(os.environ["BINSIGHT_DATA"]) / "examples" / "labelbox_image_export.json")


def coco(**changes: Any) -> dict[str, Any]:
    images = [{"id": 7, "file_name": "a.jpg", "width": 64, "height": 48}, {"id": 8, "file_name": "gone.jpg"}]
    boxes = [
        {"id": 1, "image_id": 7, "category_id": 90, "bbox": [32, 24, 64, 48]},
        {"id": 2, "image_id": 7, "category_id": 3, "bbox": [0, 0, 32, 24], "iscrowd": 1},
        {"id": 3, "image_id": 99, "category_id": 3, "bbox": [0, 0, 32, 24]},
        {"id": 4, "image_id": 7, "category_id": 3, "bbox": [100, 100, 32, 24]},
    ]
    categories = [{"id": 90, "name": "note"}, {"id": 3, "name": "coin"}]
    return {"images": images, "annotations": boxes, "categories": categories, **changes}


def test_coco_is_read_and_what_is_left_out_is_named(tmp_path: Path) -> None:
    write_photo(tmp_path / "images" / "a.jpg", 1)
    (tmp_path / "annotations").mkdir()
    boxed = read_coco(write_json(tmp_path / "annotations" / "instances.json", coco()))
    assert boxed.labels == ("coin", "note")
    assert boxed.photos[0].rows == (pytest.approx((1, 0.5, 0.5, 1.0, 1.0)),)
    reasons = " | ".join(skipped.reason for skipped in boxed.report.skipped)
    assert all(part in reasons for part in ("a crowd", "no image 99", "no photo gone.jpg", "outside the photo"))


def test_a_coco_file_with_a_broken_part_is_refused(tmp_path: Path) -> None:
    path = write_json(tmp_path / "coco.json", coco(categories=[{"id": 1}]))
    with pytest.raises(DatasetError, match="cannot be read"):
        read_coco(path)


def test_a_yolo_folder_is_read(tmp_path: Path) -> None:
    write_photo(tmp_path / "images" / "train" / "a.jpg", 1)
    write_photo(tmp_path / "images" / "train" / "empty.jpg", 2)
    (tmp_path / "labels" / "train").mkdir(parents=True)
    (tmp_path / "labels" / "train" / "a.txt").write_text("1 0.5 0.5 0.25 0.5\n5 0.5 0.5 0.1 0.1\nnonsense\n")
    (tmp_path / "labels" / "train" / "orphan.txt").write_text("0 0.5 0.5 0.1 0.1\n")
    (tmp_path / "data.yaml").write_text("train: images/train\nnc: 2\nnames:\n  0: coin\n  1: 'note'\n")
    boxed = read_yolo(tmp_path)
    assert boxed.labels == ("coin", "note")
    assert [len(photo.rows) for photo in boxed.photos] == [1, 0]
    assert boxed.photos[0].rows[0] == pytest.approx((1, 0.375, 0.25, 0.625, 0.75))
    skipped = [(skipped.name, skipped.reason) for skipped in boxed.report.skipped]
    assert [name for name, _ in skipped] == ["a.txt line 2", "a.txt line 3", "orphan.txt"]


@pytest.mark.parametrize(
    "names", ["names: [coin, 'note']", 'names:\n- coin\n- "note"', "names:\n  - coin\n  - note\nnc: 2"]
)
def test_yolo_names_may_be_written_in_any_way(tmp_path: Path, names: str) -> None:
    write_photo(tmp_path / "images" / "a.jpg", 1)
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "a.txt").write_text("1 0.5 0.5 0.25 0.5\n")
    (tmp_path / "data.yaml").write_text(f"path: .\n{names}\n")
    assert read_yolo(tmp_path).labels == ("coin", "note")


def bin_document(expected: Any, *quantities: int) -> dict[str, Any]:
    items = {f"B{index}": {"asin": f"B{index}", "quantity": quantity} for index, quantity in enumerate(quantities)}
    return {"BIN_FCSKU_DATA": items, "EXPECTED_QUANTITY": expected}


def test_bin_metadata_that_does_not_add_up_is_reported(tmp_path: Path) -> None:
    (tmp_path / "metadata").mkdir()
    for name in ("10", "00010", "3", "4"):
        write_photo(tmp_path / "images" / f"{name}.jpg", int(name))
    write_json(tmp_path / "metadata" / "10.json", bin_document(3, 1, 2))
    write_json(tmp_path / "metadata" / "00010.json", bin_document(0))
    write_json(tmp_path / "metadata" / "3.json", bin_document(5, 1, 2))
    (tmp_path / "metadata" / "4.json").write_text("{")
    write_json(tmp_path / "metadata" / "5.json", bin_document(1, 1))
    listing = read_bin_metadata(tmp_path)
    assert labels_of(listing) == {"10.jpg": "3", "00010.jpg": "0"}
    assert "3.json: the items add up to 3, EXPECTED_QUANTITY says 5" in reasons_of(listing)
    assert "4.json is not JSON" in reasons_of(listing)
    assert "5.json: there is no photo images/5.*" in reasons_of(listing)


def test_folder_names_with_white_space_are_reported(tmp_path: Path) -> None:
    write_photo(tmp_path / "Landfill " / "a.jpg", 1)
    write_photo(tmp_path / "Recycle" / "b.jpg", 2)
    write_photo(tmp_path / "Recycling" / "c.jpg", 3)
    notes = " | ".join(import_folder(tmp_path).report.notes)
    assert "label 'Landfill ' is read as 'Landfill'" in notes
    assert "Recycle and Recycling look alike" in notes


def test_an_address_means_the_photo_of_which_a_tail_lies_here(tmp_path: Path) -> None:
    photo = write_photo(tmp_path / "set" / "a b.jpg", 1)
    assert find_photo(tmp_path, "s3://bucket/key/set/a%20b.jpg") == photo
    assert find_photo(tmp_path, "set/a b.jpg") == photo
    assert find_photo(tmp_path, "key/set/a b.jpg") is None
