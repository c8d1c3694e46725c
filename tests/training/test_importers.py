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
from training.datasets.formats import import_boxes, import_photos
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
    write_photo(tmp_path / "images" / "train" / "b.bmp", 3)
    boxed = read_yolo(tmp_path)
    assert boxed.labels == ("coin", "note")
    assert [len(photo.rows) for photo in boxed.photos] == [1, 0]
    assert boxed.photos[0].rows[0] == pytest.approx((1, 0.375, 0.25, 0.625, 0.75))
    skipped = [(skipped.name, skipped.reason) for skipped in boxed.report.skipped]
    assert [name for name, _ in skipped] == ["a.txt line 2", "a.txt line 3", "b.bmp", "orphan.txt"]
    assert "2 photos have no text file: they are read as photos without objects" in boxed.report.notes


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


@pytest.mark.parametrize("index", ["nan", "inf", "-1", "1.5"])
def test_a_number_that_is_no_class_index_is_left_out_of_a_list(tmp_path: Path, index: str) -> None:
    write_photo(tmp_path / "a.jpg", 1)
    (tmp_path / "x.lst").write_text(f"0\t0\ta.jpg\n1\t{index}\ta.jpg\n")
    assert f"x.lst line 2: {index!r} is no class index" in reasons_of(read_lst(tmp_path / "x.lst"))


def test_a_photo_that_is_named_twice_counts_once_and_is_said_so(tmp_path: Path) -> None:
    write_photo(tmp_path / "a.jpg", 1)
    (tmp_path / "x.lst").write_text("0\t0\ta.jpg\n1\t1\ta.jpg\n")
    listing = read_lst(tmp_path / "x.lst")
    assert labels_of(listing) == {"a.jpg": "0"}
    assert reasons_of(listing) == "x.lst line 2: a.jpg is there already, as 0"


def test_photos_below_a_class_folder_are_said_to_be_left_out(tmp_path: Path) -> None:
    for index, name in enumerate(("glass/a.jpg", "glass/green/b.jpg", "paper/c.jpg")):
        write_photo(tmp_path / name, index)
    report = import_folder(tmp_path).report
    assert [(Path(each.name).name, each.reason) for each in report.skipped] == [
        ("b.jpg", "in a folder below the class folder")
    ]


def test_photos_without_a_label_are_counted(tmp_path: Path) -> None:
    for name in ("1", "2", "3"):
        write_photo(tmp_path / "images" / f"{name}.jpg", int(name))
    (tmp_path / "labels.csv").write_text("id,expected_quantity\n1,2\n")
    assert "2 photos in images/ have no label that can be used" in import_photos(tmp_path, "count").report.notes


@pytest.mark.parametrize("task", ["count", "classify"])
def test_a_table_that_is_none_is_refused_by_its_line(tmp_path: Path, task: str) -> None:
    write_photo(tmp_path / "images" / "1.jpg", 1)
    header = "id,expected_quantity" if task == "count" else "id,label"
    (tmp_path / "labels.csv").write_text(f"{header}\n1,2\n{'x' * 200_000},3\n")
    with pytest.raises(DatasetError, match=r"labels\.csv line 3: field larger"):
        import_photos(tmp_path, task)


def test_a_number_too_long_for_a_count_is_none(tmp_path: Path) -> None:
    for name in ("1", "2"):
        write_photo(tmp_path / "images" / f"{name}.jpg", int(name))
    (tmp_path / "labels.csv").write_text(f"id,expected_quantity\n1,2\n2,{'9' * 5000}\n")
    assert import_photos(tmp_path, "count").labels == ("2",)


@pytest.mark.parametrize("column", ["group", "site", "camera", "sequence"])
def test_a_table_says_which_photos_belong_together(tmp_path: Path, column: str) -> None:
    for name in ("1", "2"):
        write_photo(tmp_path / "images" / f"{name}.jpg", int(name))
    (tmp_path / "labels.csv").write_text(f"id,{column},label\n1,north,a\n2,south,b\n")
    photos = import_photos(tmp_path, "classify")
    assert [photo.group for photo in photos.photos] == ["north", "south"]
    assert f"photos of one {column} stay on one side of a split" in photos.report.notes


def test_a_manifest_says_which_photos_belong_together(tmp_path: Path) -> None:
    write_photo(tmp_path / "a.jpg", 1)
    write_photo(tmp_path / "b.jpg", 2)
    lines = [{"source-ref": f"{name}.jpg", "camera": "c1", "kind": name} for name in ("a", "b")]
    photos = import_photos(write_lines(tmp_path / "m.jsonl", *lines), "classify")
    assert [(photo.label, photo.group) for photo in photos.photos] == [("a", "c1"), ("b", "c1")]


def test_a_manifest_of_classes_leaves_out_a_line_with_boxes(tmp_path: Path) -> None:
    write_photo(tmp_path / "a.jpg", 1)
    write_photo(tmp_path / "b.jpg", 2)
    boxes = {"image_size": [{"width": 64, "height": 48}], "annotations": []}
    lines = [{"source-ref": "a.jpg", "kind": 1.0}, {"source-ref": "b.jpg", "cash": boxes, "cash-metadata": {}}]
    listing = read_classified_manifest(write_lines(tmp_path / "m.jsonl", *lines))
    assert labels_of(listing) == {"a.jpg": "1"}
    assert "it has boxes, where other lines have a class" in reasons_of(listing)


def test_a_label_may_hold_what_ends_lines_elsewhere(tmp_path: Path) -> None:
    write_photo(tmp_path / "a.jpg", 1)
    (tmp_path / "m.jsonl").write_text('{"source-ref": "a.jpg", "kind": "x\u2028y"}\n', encoding="utf-8")
    assert labels_of(read_classified_manifest(tmp_path / "m.jsonl")) == {"a.jpg": "x\u2028y"}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"Label": "Skip"}, "it was skipped in Labelbox"),
        ({"Label": {"objects": ["note"]}}, "its objects cannot be read"),
        ({"Label": {"objects": [{"bbox": {"top": 4, "left": 8, "height": 9, "width": 9}}]}}, "a box without a class"),
        ({"Label": {"objects": [{"title": "n", "bbox": [4, 8, 9, 9]}]}}, "a box cannot be read"),
    ],
    ids=["skipped", "objects", "title", "bbox"],
)
def test_a_labelbox_row_that_cannot_be_read_is_named(tmp_path: Path, changes: dict[str, Any], reason: str) -> None:
    write_photo(tmp_path / "a.jpg", 1)
    rows = [labelbox_row(), labelbox_row(**changes)]
    boxed = read_labelbox_boxes(write_json(tmp_path / "e.json", rows))
    assert boxed.labels == ("Note",)
    assert reason in " | ".join(each.reason for each in boxed.report.skipped)


def test_a_second_labelbox_classification_is_said_to_be_left_out(tmp_path: Path) -> None:
    write_photo(tmp_path / "a.jpg", 1)
    label = {"classifications": [{"title": "kind", "answer": "Paper"}, {"title": "wet", "answer": "yes"}, "?"]}
    listing = read_labelbox_classes(write_json(tmp_path / "e.json", [labelbox_row(Label=label)]))
    assert labels_of(listing) == {"a.jpg": "Paper"}
    assert listing.notes == ("1 photos have several classifications: the first that was answered counts",)


def test_coco_ids_and_names_that_come_twice_and_numbers_that_are_none(tmp_path: Path) -> None:
    write_photo(tmp_path / "a.jpg", 1)
    write_photo(tmp_path / "b.jpg", 2)
    images = [{"id": 7, "file_name": "a.jpg"}, {"id": 7, "file_name": "b.jpg"}]
    boxes = [
        {"id": number, "image_id": 7, "category_id": 90, "bbox": bbox}
        for number, bbox in enumerate([[2, 2, 20, 20], [float("nan"), 2, 20, 20], [None, 2, 20, 20], "ltwh"])
    ]
    categories = [{"id": 90, "name": "note"}, {"id": 3, "name": "note "}]
    document = {"images": images, "annotations": boxes, "categories": categories}
    boxed = read_coco(write_json(tmp_path / "coco.json", document))
    assert boxed.labels == ("note",)
    assert [(photo.size_px, len(photo.rows)) for photo in boxed.photos] == [((64, 48), 1)]
    reasons = " | ".join(f"{each.name}: {each.reason}" for each in boxed.report.skipped)
    assert "coco.json image 7: b.jpg has an id that is taken" in reasons
    assert "a box outside the photo" in reasons
    assert reasons.count("it has no box of four numbers") == 2


def test_a_coco_file_with_a_number_in_place_of_an_annotation_is_refused(tmp_path: Path) -> None:
    write_photo(tmp_path / "a.jpg", 1)
    with pytest.raises(DatasetError, match="cannot be read"):
        read_coco(write_json(tmp_path / "coco.json", coco(annotations=[7])))


def test_boxes_drawn_on_a_photo_of_another_shape_are_left_out(tmp_path: Path) -> None:
    write_photo(tmp_path / "a.jpg", 1)
    write_photo(tmp_path / "b.jpg", 2)
    images = [
        {"id": 7, "file_name": "a.jpg", "width": 640, "height": 480},
        {"id": 8, "file_name": "b.jpg", "width": 48, "height": 64},
    ]
    boxed = import_boxes(write_json(tmp_path / "coco.json", coco(images=images)))
    assert [photo.path.name for photo in boxed.photos] == ["a.jpg"]
    assert "it is 64 x 48, its boxes were drawn on 48 x 64" in boxed.report.skipped[-1].reason


def test_yolo_folders_of_parts_are_read(tmp_path: Path) -> None:
    for part, name in (("train", "a"), ("valid", "b")):
        write_photo(tmp_path / part / "images" / f"{name}.jpg", len(part))
        (tmp_path / part / "labels").mkdir()
        (tmp_path / part / "labels" / f"{name}.txt").write_text("0 0.5 0.5 0.25 0.5\n")
    (tmp_path / "data.yaml").write_text("train: ../train/images\nnames: ['coin']\n")
    boxed = import_boxes(tmp_path)
    assert [(photo.path.name, len(photo.rows)) for photo in boxed.photos] == [("a.jpg", 1), ("b.jpg", 1)]


def test_a_yolo_class_without_a_name_that_nobody_would_number_is_named(tmp_path: Path) -> None:
    write_photo(tmp_path / "images" / "a.jpg", 1)
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "a.txt").write_text("0 0.5 0.5 0.25 0.5\n3000000 0.5 0.5 0.25 0.5\n")
    boxed = read_yolo(tmp_path)
    assert boxed.labels == ("0",)
    assert "class 3000000 has no name" in boxed.report.skipped[0].reason
