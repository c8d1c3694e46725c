"""Lists, manifests and RecordIO for the built-in algorithms: read back by our own importers, and by MXNet's reader."""

import json
import struct
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.training.photo_files import write_photo
from training.datasets.built_in import (
    write_box_records,
    write_class_records,
    write_lists,
    write_s3_manifest,
    write_whole,
)
from training.datasets.channel import write_channel
from training.datasets.folder import import_folder
from training.datasets.lst import read_lst
from training.datasets.recordio import LENGTH_BITS, MAGIC_BYTES, Record, write_record, write_records

LABELS = ("glass", "paper")


@pytest.fixture
def channels(tmp_path: Path) -> Path:
    for index in range(4):
        write_photo(tmp_path / "photos" / LABELS[index % 2] / f"{index}.jpg", index)
    for name in ("train", "validation"):
        write_channel(import_folder(tmp_path / "photos"), tmp_path / name)
    return tmp_path


@pytest.fixture
def boxed_channel(tmp_path: Path) -> Path:
    write_photo(tmp_path / "channel" / "photos" / "a.jpg", 1)
    box = {"class_id": 1, "left": 16, "top": 12, "width": 16, "height": 24}
    boxes = {"image_size": [{"width": 64, "height": 48, "depth": 3}], "annotations": [box]}
    line = {"source-ref": "photos/a.jpg", "boxes": boxes, "boxes-metadata": {"class-map": {"0": "coin", "1": "note"}}}
    (tmp_path / "channel" / "manifest.jsonl").write_text(json.dumps(line) + "\n")
    return tmp_path / "channel"


def read_parts(content: bytes) -> list[tuple[int, bytes]]:
    """Kind and bytes of every part of a .rec file."""
    parts, place = [], 0
    while place < len(content):
        magic, word = struct.unpack_from("<4sI", content, place)
        assert magic == MAGIC_BYTES
        length = word & (1 << LENGTH_BITS) - 1
        parts.append((word >> LENGTH_BITS, content[place + 8 : place + 8 + length]))
        place += 8 + length + -length % 4
    return parts


def test_a_written_list_reads_back_with_its_names(channels: Path) -> None:
    train, validation = write_lists(channels, LABELS)
    assert validation == channels / "validation_lst" / "validation.lst"
    listing = read_lst(train)
    assert [photo.label for photo in listing.photos] == ["glass", "glass", "paper", "paper"]
    assert all(photo.path.is_relative_to(channels / "train") for photo in listing.photos)
    assert train.read_text().splitlines()[2].split("\t")[:2] == ["2", "1"]


def test_a_manifest_for_sagemaker_has_addresses_and_the_asked_attribute(boxed_channel: Path) -> None:
    path = write_s3_manifest(boxed_channel, "s3://bucket/set/train/", "cash")
    (line,) = [json.loads(line) for line in path.read_text().splitlines()]
    assert list(line) == ["source-ref", "cash", "cash-metadata"]
    assert line["source-ref"] == "s3://bucket/set/train/photos/a.jpg"
    assert line["cash"]["annotations"][0]["class_id"] == 1


def test_the_magic_number_never_stands_inside_a_record() -> None:
    stream = BytesIO()
    write_record(stream, b"abcd" + MAGIC_BYTES + b"ef" + MAGIC_BYTES + MAGIC_BYTES[:2] + MAGIC_BYTES + b"z")
    parts = read_parts(stream.getvalue())
    assert parts == [(1, b"abcd"), (2, b"ef" + MAGIC_BYTES + MAGIC_BYTES[:2]), (3, b"z")]
    assert len(stream.getvalue()) % 4 == 0


def test_no_file_is_left_where_a_photo_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_records([Record(0, (1.0,), tmp_path / "gone.jpg")], tmp_path / "set.rec")
    assert list(tmp_path.iterdir()) == []


def test_no_half_list_is_left_when_writing_ends_early(tmp_path: Path) -> None:
    def lines() -> Any:
        yield "0\t0\ta.jpg\n"
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        write_whole(tmp_path / "x.lst", lines())
    assert list(tmp_path.iterdir()) == []


def test_mxnet_reads_the_classes_that_were_written(channels: Path) -> None:
    recordio = mxnets_reader()
    write_class_records(channels / "train", LABELS, channels / "train.rec")
    reader = recordio.MXIndexedRecordIO(str(channels / "train.idx"), str(channels / "train.rec"), "r")
    unpacked = [recordio.unpack(reader.read_idx(key)) for key in reader.keys]
    assert [header.label for header, _ in unpacked] == [0.0, 0.0, 1.0, 1.0]
    photos = sorted((channels / "train" / "photos").iterdir())
    assert sorted(content for _, content in unpacked) == sorted(photo.read_bytes() for photo in photos)


def test_mxnet_reads_the_boxes_that_were_written(boxed_channel: Path) -> None:
    recordio = mxnets_reader()
    write_box_records(boxed_channel, boxed_channel / "train.rec")
    reader = recordio.MXRecordIO(str(boxed_channel / "train.rec"), "r")
    header, content = recordio.unpack(reader.read())
    assert header.label == pytest.approx([2, 5, 1, 0.25, 0.25, 0.5, 0.75])
    assert content == (boxed_channel / "photos" / "a.jpg").read_bytes()


@pytest.mark.parametrize("before", [b"", b"abcd", b"abc"], ids=["at the start", "on a border", "off the border"])
def test_mxnet_puts_back_the_magic_number(tmp_path: Path, before: bytes) -> None:
    recordio = mxnets_reader()
    contents = [before + MAGIC_BYTES + b"tail", np.random.default_rng(1).bytes(301), MAGIC_BYTES * 3]
    with (tmp_path / "x.rec").open("wb") as stream:
        for content in contents:
            write_record(stream, content)
    reader = recordio.MXRecordIO(str(tmp_path / "x.rec"), "r")
    assert [reader.read() for _ in contents] == contents


def mxnets_reader() -> Any:
    pytest.importorskip("mxnet", reason="MXNet is not installed here", exc_type=ImportError)
    from training.mxnet_import import mx

    return mx.recordio
