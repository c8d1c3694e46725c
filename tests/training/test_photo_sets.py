"""Importing folders of photos, finding duplicates and splitting."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from training.datasets.channel import read_channel, write_channel
from training.datasets.duplicates import group_duplicates
from training.datasets.folder import import_folder
from training.datasets.photo_set import DatasetError, Photo, PhotoSet, require_trainable
from training.datasets.rendered import render_waste, write_rendered_waste
from training.datasets.split import folds, split_photos


def write_photo(path: Path, seed: int, side: int = 64, quality: int = 90) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    photo = Image.fromarray(np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8))
    photo.resize((side, side), Image.Resampling.BICUBIC).save(path, quality=quality)
    return path


def two_classes(folder: Path, each: int = 10) -> Path:
    for index in range(each):
        write_photo(folder / "compost" / f"{index}.jpg", index)
        write_photo(folder / "landfill" / f"{index}.jpg", 1000 + index)
    return folder


def photo(name: str, label: str, bits: int, group: str = "") -> Photo:
    return Photo(Path(name), label, name, bits, group)


def far_apart(count: int, label: str) -> list[Photo]:
    rng = np.random.default_rng(hash_of(label))
    return [photo(f"{label}{index}", label, int.from_bytes(rng.bytes(32), "big")) for index in range(count)]


def hash_of(label: str) -> int:
    return sum(label.encode())


def test_each_folder_is_a_class(tmp_path: Path) -> None:
    photos = import_folder(two_classes(tmp_path, each=3))
    assert photos.counts() == {"compost": 3, "landfill": 3}


def test_label_names_are_stripped(tmp_path: Path) -> None:
    write_photo(tmp_path / "compost " / "a.jpg", 1)
    assert import_folder(tmp_path).labels == ("compost",)


def test_what_is_skipped_is_named_with_its_reason(tmp_path: Path) -> None:
    two_classes(tmp_path, each=2)
    (tmp_path / "compost" / "text.jpg").write_text("not a photo")
    (tmp_path / "compost" / "empty.jpg").write_bytes(b"")
    (tmp_path / "compost" / "notes.txt").write_text("x")
    whole = (tmp_path / "compost" / "0.jpg").read_bytes()
    (tmp_path / "landfill" / "torn.jpg").write_bytes(whole[: len(whole) // 2])
    report = import_folder(tmp_path).report
    reasons = {Path(skipped.name).name: skipped.reason for skipped in report.skipped}
    assert report.read == 4
    assert set(reasons) == {"text.jpg", "empty.jpg", "notes.txt", "torn.jpg"}
    assert reasons["empty.jpg"] == "the file is empty"
    assert "damaged" in reasons["torn.jpg"]


def test_a_class_without_readable_photos_is_left_out_and_said_so(tmp_path: Path) -> None:
    two_classes(tmp_path)
    (tmp_path / "recycling").mkdir()
    photos = import_folder(tmp_path)
    assert photos.labels == ("compost", "landfill")
    assert "recycling" in photos.report.notes[0]


@pytest.mark.parametrize("folders", [[], ["compost"]], ids=["none", "one"])
def test_fewer_than_two_classes_are_refused(tmp_path: Path, folders: list[str]) -> None:
    for name in folders:
        for index in range(5):
            write_photo(tmp_path / name / f"{index}.jpg", index)
    with pytest.raises(DatasetError, match=r"one class|no folders"):
        require_trainable(import_folder(tmp_path))


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="there is no folder"):
        import_folder(tmp_path / "nowhere")


def test_the_fingerprint_depends_on_content_and_label_only(tmp_path: Path) -> None:
    first = import_folder(two_classes(tmp_path / "a", each=3))
    (tmp_path / "b").mkdir()
    for path in (tmp_path / "a").rglob("*.jpg"):
        target = tmp_path / "b" / path.parent.name / f"renamed-{path.name}"
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(path.read_bytes())
    assert import_folder(tmp_path / "b").fingerprint() == first.fingerprint()
    (tmp_path / "b" / "compost" / "renamed-0.jpg").unlink()
    assert import_folder(tmp_path / "b").fingerprint() != first.fingerprint()


def test_copies_and_resized_copies_share_a_group(tmp_path: Path) -> None:
    original = write_photo(tmp_path / "c" / "original.jpg", 1)
    (tmp_path / "c" / "copy.jpg").write_bytes(original.read_bytes())
    with Image.open(original) as image:
        image.resize((150, 150), Image.Resampling.BICUBIC).save(tmp_path / "c" / "resized.jpg", quality=60)
    write_photo(tmp_path / "c" / "other.jpg", 2)
    grouped = group_duplicates(import_folder(tmp_path).photos)
    groups = {each.path.stem: each.group for each in grouped}
    assert groups["original"] == groups["copy"] == groups["resized"]
    assert groups["other"] != groups["original"]


def test_hashes_fifteen_bits_apart_are_near_and_sixteen_are_not() -> None:
    near = sum(1 << (16 * band) for band in range(15))
    far = near | 1 << 255
    first, second, third = group_duplicates([photo("a", "x", 0), photo("b", "x", near), photo("c", "x", far << 1)])
    assert first.group == second.group
    assert third.group != first.group


def test_no_group_stands_on_two_sides_and_every_photo_on_one(tmp_path: Path) -> None:
    photos = [*far_apart(40, "compost"), *far_apart(60, "landfill")]
    twins = [photo(f"{each.sha256}-twin", each.label, each.perceptual_hash ^ 1) for each in photos]
    split = split_photos(PhotoSet(("compost", "landfill"), (*photos, *twins)))
    sides = [{each.group for each in part.photos} for part in split.parts().values()]
    assert sum(len(part.photos) for part in split.parts().values()) == 200
    assert not sides[0] & sides[1]
    assert not sides[0] & sides[2]
    assert not sides[1] & sides[2]


def test_photos_of_a_camera_stand_on_one_side() -> None:
    photos = [*far_apart(40, "compost"), *far_apart(40, "landfill")]
    cameras = [replace(each, group=f"camera {index % 8}") for index, each in enumerate(photos)]
    split = split_photos(PhotoSet(("compost", "landfill"), tuple(cameras)))
    camera_of = {each.sha256: each.group for each in cameras}
    sides = [{camera_of[each.sha256] for each in part.photos} for part in split.parts().values()]
    assert sorted(camera for side in sides for camera in side) == [f"camera {index}" for index in range(8)]
    assert split.notes() == ["  80 photos are copies, nearly copies or of one group: each such group is on one side"]


def test_photos_of_one_camera_alone_cannot_be_split() -> None:
    photos = [replace(each, group="camera") for each in far_apart(9, "compost")]
    with pytest.raises(DatasetError, match="cannot be split in three: its photos are of 1 groups"):
        split_photos(PhotoSet(("compost",), tuple(photos)))


def test_a_side_without_a_share_stays_empty() -> None:
    """What cross-validation asks for, which has held its photos out before."""
    split = split_photos(PhotoSet(("compost",), tuple(far_apart(40, "compost"))), (0.9, 0.1, 0.0))
    assert [len(part.photos) for part in split.parts().values()] == [36, 4, 0]


def test_one_photo_with_two_labels_is_told() -> None:
    photos = [*far_apart(20, "compost"), *far_apart(20, "landfill")]
    twin = replace(photos[0], label="landfill", path=Path("twin.jpg"))
    split = split_photos(PhotoSet(("compost", "landfill"), (*photos, twin)))
    told = f"the same photo has several labels: {photos[0].path.name} (compost), twin.jpg (landfill)"
    assert split.notes()[1].strip() == told


def test_every_class_is_split_in_the_asked_shares() -> None:
    photos = PhotoSet(("compost", "landfill"), (*far_apart(100, "compost"), *far_apart(20, "landfill")))
    split = split_photos(photos)
    assert split.train.counts() == {"compost": 75, "landfill": 15}
    assert split.test.counts() == {"compost": 15, "landfill": 3}


def test_the_smallest_class_still_reaches_every_side() -> None:
    photos = PhotoSet(("compost", "landfill"), (*far_apart(50, "compost"), *far_apart(3, "landfill")))
    assert [part.counts()["landfill"] for part in split_photos(photos).parts().values()] == [1, 1, 1]


def test_the_split_does_not_depend_on_names_or_order() -> None:
    photos = far_apart(60, "compost") + far_apart(60, "landfill")
    renamed = [photo_with_path(each, f"other/{index}") for index, each in enumerate(reversed(photos))]
    first = split_photos(PhotoSet(("compost", "landfill"), tuple(photos)))
    second = split_photos(PhotoSet(("compost", "landfill"), tuple(renamed)))
    assert contents(first.test.photos) == contents(second.test.photos)


def photo_with_path(original: Photo, path: str) -> Photo:
    return Photo(Path(path), original.label, original.sha256, original.perceptual_hash)


def contents(photos: Iterable[Photo]) -> set[str]:
    return {each.sha256 for each in photos}


def test_each_photo_is_held_out_by_one_fold() -> None:
    photos = PhotoSet(("compost", "landfill"), (*far_apart(33, "compost"), *far_apart(17, "landfill")))
    held_out = [each.sha256 for _, fold in folds(photos, 5) for each in fold.photos]
    assert sorted(held_out) == sorted(each.sha256 for each in photos.photos)
    for rest, fold in folds(photos, 5):
        assert not contents(rest.photos) & contents(fold.photos)
        assert len(rest.photos) + len(fold.photos) == 50


def test_a_channel_reads_back_as_it_was_written(tmp_path: Path) -> None:
    photos = import_folder(two_classes(tmp_path / "photos", each=2))
    write_channel(photos, tmp_path / "channel")
    read = read_channel(tmp_path / "channel")
    assert [(each.label, each.sha256) for each in read] == [(each.label, each.sha256) for each in photos.photos]
    assert all(each.path.exists() for each in read)


def test_a_manifest_line_that_is_not_json_is_named_by_its_number(tmp_path: Path) -> None:
    write_channel(import_folder(two_classes(tmp_path / "photos", each=1)), tmp_path / "channel")
    with (tmp_path / "channel" / "manifest.jsonl").open("a") as manifest:
        manifest.write("{not json\n")
    with pytest.raises(DatasetError, match="line 3"):
        read_channel(tmp_path / "channel")


def test_rendered_photos_are_the_same_for_the_same_seed(tmp_path: Path) -> None:
    first = import_folder(write_rendered_waste(tmp_path / "a", per_label=4, seed=3))
    second = import_folder(write_rendered_waste(tmp_path / "b", per_label=4, seed=3))
    other = import_folder(write_rendered_waste(tmp_path / "c", per_label=4, seed=4))
    assert first.fingerprint() == second.fingerprint() != other.fingerprint()


def test_rendered_photos_have_the_asked_size() -> None:
    assert render_waste("landfill", np.random.default_rng(0), side=96).size == (96, 96)
