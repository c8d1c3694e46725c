"""One entry for every form of data: what a path holds is seen by looking, and each task gets what it trains on."""

import json
from pathlib import Path

import pytest

from tests.training.photo_files import write_photo
from training.datasets.formats import Form, find_form, import_any, import_boxes, import_photos, list_photos
from training.datasets.photo_set import DatasetError, PhotoSet
from training.detection.channel import BoxedSet


@pytest.fixture
def boxes(tmp_path: Path) -> Path:
    """One photo with two notes, one with a coin, one with both, as a manifest."""
    classes = {"a": [0, 0], "b": [1], "c": [0, 1]}
    lines = []
    for index, (name, found) in enumerate(classes.items()):
        write_photo(tmp_path / f"{name}.jpg", index)
        drawn = [{"class_id": each, "left": 4, "top": 4, "width": 20, "height": 20} for each in found]
        box = {"image_size": [{"width": 64, "height": 48, "depth": 3}], "annotations": drawn}
        metadata = {"class-map": {"0": "note", "1": "coin"}}
        lines.append(json.dumps({"source-ref": f"{name}.jpg", "cash": box, "cash-metadata": metadata}))
    (tmp_path / "annotations.manifest").write_text("\n".join(lines) + "\n")
    return tmp_path


def make_form(folder: Path, form: Form) -> Path:
    coco = {"images": [], "annotations": [], "categories": []}
    files = {
        Form.FOLDERS: ("glass/a.txt", ""),
        Form.TABLE: ("labels.csv", "id,label\n"),
        Form.LST: ("train.lst", ""),
        Form.MANIFEST: ("output.manifest", ""),
        Form.COCO: ("instances.json", json.dumps(coco)),
        Form.LABELBOX: ("export.json", '[{"Labeled Data": "a.jpg"}]'),
        Form.YOLO: ("labels/a.txt", ""),
        Form.BIN_METADATA: ("metadata/1.json", "{}"),
    }
    name, text = files[form]
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)
    (folder / "images").mkdir(exist_ok=True)
    return folder


@pytest.mark.parametrize("form", Form, ids=lambda form: form.name.lower())
def test_a_folder_is_taken_for_what_it_holds(tmp_path: Path, form: Form) -> None:
    assert find_form(make_form(tmp_path, form))[0] is form


@pytest.mark.parametrize("form", [Form.TABLE, Form.LST, Form.MANIFEST, Form.COCO, Form.LABELBOX])
def test_a_file_is_taken_for_what_it_is(tmp_path: Path, form: Form) -> None:
    place = find_form(make_form(tmp_path, form))[1]
    assert find_form(place) == (form, place)


def test_two_lists_are_not_chosen_between(tmp_path: Path) -> None:
    (tmp_path / "a.lst").write_text("")
    (tmp_path / "b.lst").write_text("")
    with pytest.raises(DatasetError, match=r"a\.lst, b\.lst: name the one that is meant"):
        find_form(tmp_path)


@pytest.mark.parametrize(
    ("name", "message"), [("gone", "there is no"), ("x.json", "neither a COCO"), ("x.txt", "none of")]
)
def test_what_is_nothing_known_is_refused(tmp_path: Path, name: str, message: str) -> None:
    if name != "gone":
        (tmp_path / name).write_text("[]")
    with pytest.raises(DatasetError, match=message):
        find_form(tmp_path / name)


def test_boxes_are_boxes_counts_or_classes_as_the_task_has_it(boxes: Path) -> None:
    assert [len(photo.rows) for photo in import_boxes(boxes).photos] == [2, 1, 2]
    assert [photo.label for photo in list_photos(boxes, "count").photos] == ["2", "1", "2"]
    classes = list_photos(boxes, "classify")
    assert [photo.label for photo in classes.photos] == ["note", "coin"]
    assert classes.skipped[0].reason == "it has boxes of 2 classes: coin, note"


def test_each_task_gets_what_it_trains_on(boxes: Path) -> None:
    assert isinstance(import_any(boxes, "detect"), BoxedSet)
    assert isinstance(import_any(boxes, "count"), PhotoSet)


def test_a_detector_needs_boxes(tmp_path: Path) -> None:
    write_photo(tmp_path / "glass" / "a.jpg")
    with pytest.raises(DatasetError, match="has no boxes"):
        import_boxes(tmp_path)


def test_labels_of_a_table_are_classes_or_counts(tmp_path: Path) -> None:
    write_photo(tmp_path / "images" / "007.jpg")
    (tmp_path / "labels.csv").write_text("id,label\n007, glass \n8,glass\n")
    listing = list_photos(tmp_path, "classify")
    assert [(photo.path.name, photo.label) for photo in listing.photos] == [("007.jpg", "glass")]
    assert listing.skipped[0].name == "labels.csv line 3"
    (tmp_path / "labels.csv").write_text("id,expected_quantity\n007,4\n")
    assert [photo.label for photo in list_photos(tmp_path, "count").photos] == ["4"]


def test_a_class_that_is_no_number_is_left_out_of_counts(tmp_path: Path) -> None:
    for index, name in enumerate(("10", "2", "many")):
        write_photo(tmp_path / name / f"{index}.jpg", index)
    photos = import_photos(tmp_path, "count")
    assert photos.labels == ("2", "10")
    assert "'many' is no count" in photos.report.skipped[0].reason


def test_a_class_whose_photos_cannot_be_read_is_said(tmp_path: Path) -> None:
    write_photo(tmp_path / "glass" / "a.jpg")
    (tmp_path / "paper").mkdir()
    (tmp_path / "paper" / "b.jpg").write_bytes(b"nothing")
    photos = import_photos(tmp_path, "classify")
    assert photos.labels == ("glass",)
    assert "class paper is left out: it has no readable photo" in photos.report.notes
    assert photos.report.skipped[0].reason == "not an image that can be read"
