"""Data that cannot be trained on, jobs that are killed and disks that are full: a sentence each, never half a model."""

import errno
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.training.photo_files import write_photo
from training.datasets.channel import channel_lines, read_channel
from training.datasets.formats import import_boxes
from training.datasets.photo_set import DatasetError
from training.job import REPOSITORY
from training.job import main as job_main
from training.samples import input_spec, load_samples
from training.weights import Checkpoints, Snapshot

BOX = {"class_id": 0, "left": 4, "top": 4, "width": 20, "height": 20}
OUTSIDE = {"class_id": 0, "left": 400, "top": 4, "width": 20, "height": 20}


def no_photos(folder: Path) -> None:
    (folder / "glass").mkdir(parents=True)
    (folder / "paper").mkdir()


def one_class(folder: Path) -> None:
    for index in range(5):
        write_photo(folder / "glass" / f"{index}.jpg", index)


def unreadable_photos(folder: Path) -> None:
    for name in ("glass", "paper"):
        (folder / name).mkdir(parents=True)
        (folder / name / "a.jpg").write_bytes(b"nothing")


def too_few_of_a_class(folder: Path) -> None:
    one_class(folder)
    write_photo(folder / "paper" / "a.jpg", 9)


def not_json(folder: Path) -> None:
    write_photo(folder / "a.jpg", 1)
    (folder / "manifest.jsonl").write_text('{"source-ref": "a.jpg", "label": "glass"}\n{"source-ref"\n')


def boxes(folder: Path, *annotations: dict[str, int], photo: str = "a.jpg") -> None:
    write_photo(folder / "a.jpg", 1)
    cash = {"image_size": [{"width": 64, "height": 48, "depth": 3}], "annotations": list(annotations)}
    with (folder / "output.manifest").open("a") as manifest:
        manifest.write(json.dumps({"source-ref": photo, "cash": cash}) + "\n")


def boxes_that_are_not_json(folder: Path) -> None:
    boxes(folder, BOX)
    with (folder / "output.manifest").open("a") as manifest:
        manifest.write("{\n")


def boxes_of_a_photo_that_is_gone(folder: Path) -> None:
    boxes(folder, BOX, photo="gone.jpg")


@pytest.mark.parametrize(
    ("task", "make", "message"),
    [
        ("classify", no_photos, "no readable photo"),
        ("classify", one_class, "one class (glass): a classifier needs at least two"),
        ("classify", unreadable_photos, "no readable photo"),
        ("classify", too_few_of_a_class, "class paper has 1 photos: at least 3 are needed"),
        ("classify", not_json, "manifest.jsonl line 2: not JSON"),
        ("count", not_json, "manifest.jsonl line 2: not JSON"),
        ("count", one_class, "has no photo with a count"),
        ("detect", one_class, "has no boxes"),
        ("detect", boxes_that_are_not_json, "output.manifest line 2: not JSON"),
        ("detect", boxes_of_a_photo_that_is_gone, "names no photo that can be read"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_data_that_cannot_be_trained_on_ends_in_a_sentence_and_no_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], task: str, make: Callable[[Path], None], message: str
) -> None:
    make(tmp_path / "data")
    assert job_main(["--task", task, "--data", str(tmp_path / "data"), "--out", str(tmp_path / "out")]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out" / "model.tar.gz").exists()


def test_boxes_outside_the_photo_and_photos_that_are_none_are_left_out_and_named(tmp_path: Path) -> None:
    boxes(tmp_path, BOX, OUTSIDE)
    (tmp_path / "b.jpg").write_bytes(b"nothing")
    boxes(tmp_path, BOX, photo="b.jpg")
    boxed = import_boxes(tmp_path)
    assert [len(photo.rows) for photo in boxed.photos] == [1]
    reasons = " | ".join(skipped.reason for skipped in boxed.report.skipped)
    assert "a box outside the photo" in reasons
    assert "b.jpg cannot be read" in reasons


def test_a_channel_in_which_no_photo_of_a_class_can_be_read_is_refused(tmp_path: Path) -> None:
    for index, name in enumerate(("glass", "paper")):
        write_photo(tmp_path / "train" / name / "a.jpg", index)
    (tmp_path / "train" / "paper" / "a.jpg").write_bytes(b"nothing")
    with pytest.raises(DatasetError, match="the channel train has no readable photo of paper"):
        load_samples(tmp_path / "train", input_spec(32, "squash"), ["glass", "paper"])


def test_a_channels_manifest_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    (tmp_path / "manifest.jsonl").write_bytes(b'{"source-ref": "\xff"}')
    for read in (read_channel, channel_lines):
        with pytest.raises(DatasetError, match=r"manifest\.jsonl is not UTF-8"):
            read(tmp_path)


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from training.layout import ContainerLayout, run_in_container
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))

def program(layout):
    with layout.whole_model() as folder:
        (folder / "model-symbol.json").write_text("{}")
        (folder / "model.onnx").write_bytes(bytes(1 << 20))

sys.exit(run_in_container(ContainerLayout(Path(sys.argv[1])), program))
"""


def test_a_disk_that_takes_no_more_ends_in_a_failure_file_and_no_model(tmp_path: Path) -> None:
    """A limit on file sizes stands for the disk: writing fails at the same place, after some of it was written."""
    done = subprocess.run([sys.executable, "-c", FULL_DISK, str(tmp_path)], cwd=REPOSITORY, check=False)
    assert done.returncode == 1
    assert "File too large" in (tmp_path / "output" / "failure").read_text()
    assert list((tmp_path / "model").iterdir()) == []


def snapshot(epochs: int) -> Snapshot:
    weights = {"w": np.full(3, epochs, dtype=np.float32)}
    return Snapshot(epochs, weights, weights, epochs, weights, ({"validation_loss": 1.0},) * epochs, b"state")


def test_a_checkpoint_half_written_when_the_job_was_killed_is_not_taken_for_one(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, "job")
    checkpoints.save(snapshot(1))
    (tmp_path / ".partial").mkdir()
    (tmp_path / ".partial" / "current.npz").write_bytes(b"half")
    found = checkpoints.newest()
    assert found is not None
    assert found.epochs_done == 1
    checkpoints.save(snapshot(2))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["epoch-0002"]


def test_a_disk_that_is_full_leaves_the_checkpoint_before_and_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints = Checkpoints(tmp_path, "job")
    checkpoints.save(snapshot(1))

    def full(path: Path, content: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        checkpoints.save(snapshot(2))
    assert [path.name for path in tmp_path.iterdir()] == ["epoch-0001"]
    assert checkpoints.newest() is not None
