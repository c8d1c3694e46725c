"""The port ArtifactInspector: unpacking and loading on this machine, streaming from S3 in the Lambda."""

import gzip
import hashlib
import io
import json
import shutil
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chalicelib.adapters.aws import artifact_stream
from chalicelib.adapters.aws.inspector import StreamingInspector
from chalicelib.adapters.embedded.folder_blobs import FolderBlobs
from chalicelib.adapters.embedded.inspector import LoadingInspector
from chalicelib.domain.errors import BlobNotFoundError, InvalidArtifactError
from chalicelib.domain.ports import ArtifactInspector, BlobStore
from device.runtime.artifact import pack
from tests.device.models import model_folder

NAME = "uploads/abc"
Inspect = Callable[[bytes], Any]


@pytest.fixture(params=["loading", "streaming"])
def parts(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[ArtifactInspector, BlobStore]:
    if request.param == "loading":
        blobs: BlobStore = FolderBlobs(tmp_path / "files", "http://127.0.0.1:1", b"k" * 32, time.time)
        return LoadingInspector(blobs, tmp_path / "work"), blobs
    blobs = request.getfixturevalue("s3_blobs")
    return StreamingInspector(blobs), blobs


@pytest.fixture
def inspect(parts: tuple[ArtifactInspector, BlobStore], tmp_path: Path) -> Inspect:
    inspector, blobs = parts

    def put_and_inspect(archive: bytes, announced: str | None = None) -> Any:
        path = tmp_path / "upload"
        path.write_bytes(archive)
        blobs.put(NAME, path)
        return inspector.inspect(NAME, announced or hashlib.sha256(archive).hexdigest())

    return put_and_inspect


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return model_folder(tmp_path / "model")


def packed(folder: Path) -> bytes:
    pack(folder, folder.parent / "model.tar.gz")
    return (folder.parent / "model.tar.gz").read_bytes()


def tar_gz(*members: tuple[str | tarfile.TarInfo, bytes]) -> bytes:
    stream = io.BytesIO()
    with gzip.GzipFile(fileobj=stream, mode="wb") as compressed, tarfile.open(fileobj=compressed, mode="w") as tar:
        for name, content in members:
            info = tarfile.TarInfo(name) if isinstance(name, str) else name
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def members_of(folder: Path, **changed: bytes) -> list[tuple[str | tarfile.TarInfo, bytes]]:
    files = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
    return list((files | {name.replace("__", "."): content for name, content in changed.items()}).items())


def with_manifest(folder: Path, **changes: Any) -> bytes:
    document = json.loads((folder / "manifest.json").read_text()) | changes
    return tar_gz(*members_of(folder, manifest__json=json.dumps(document).encode()))


class TestArtifacts:
    @pytest.mark.parametrize("task", ["classify", "count", "detect"])
    def test_a_whole_artifact_says_what_it_is(self, inspect: Inspect, tmp_path: Path, task: str) -> None:
        folder = model_folder(tmp_path / task, task)
        archive = packed(folder)
        found = inspect(archive)
        assert found.manifest == json.loads((folder / "manifest.json").read_text())
        assert (found.digest, found.bytes) == (hashlib.sha256(archive).hexdigest(), len(archive))

    def test_an_artifact_that_is_not_there_is_not_found(self, parts: tuple[ArtifactInspector, BlobStore]) -> None:
        with pytest.raises(BlobNotFoundError):
            parts[0].inspect(NAME, "0" * 64)

    def test_another_digest_than_the_announced_one_is_refused(self, inspect: Inspect, model: Path) -> None:
        with pytest.raises(InvalidArtifactError, match="0000"):
            inspect(packed(model), "0" * 64)

    @pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
    def test_a_part_of_an_artifact_is_refused(self, inspect: Inspect, model: Path, share: float) -> None:
        archive = packed(model)
        with pytest.raises(InvalidArtifactError):
            inspect(archive[: int(len(archive) * share)])

    def test_a_damaged_artifact_is_refused(self, inspect: Inspect, model: Path) -> None:
        archive = bytearray(packed(model))
        archive[len(archive) // 2] ^= 0xFF
        with pytest.raises(InvalidArtifactError):
            inspect(bytes(archive))

    @pytest.mark.parametrize("content", [b"PK\x03\x04 a zip", b"\x1f\x8b not gzip", gzip.compress(b"no tar" * 500)])
    def test_what_is_no_archive_is_refused(self, inspect: Inspect, content: bytes) -> None:
        with pytest.raises(InvalidArtifactError):
            inspect(content)

    @pytest.mark.parametrize("name", ["../evil", "/etc/passwd", "folder/model.onnx", ".hidden", "a\\b", "c:d"])
    def test_a_member_that_is_not_flat_is_refused(self, inspect: Inspect, model: Path, name: str) -> None:
        with pytest.raises(InvalidArtifactError):
            inspect(tar_gz(*members_of(model), (name, b"x")))

    @pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.CHRTYPE])
    def test_a_member_that_is_no_plain_file_is_refused(self, inspect: Inspect, model: Path, kind: bytes) -> None:
        link = tarfile.TarInfo("link")
        link.type, link.linkname = kind, "manifest.json"
        with pytest.raises(InvalidArtifactError):
            inspect(tar_gz(*members_of(model), (link, b"")))

    def test_a_member_that_stands_twice_is_refused(self, inspect: Inspect, model: Path) -> None:
        files = members_of(model)
        with pytest.raises(InvalidArtifactError, match="twice"):
            inspect(tar_gz(*files, files[0]))

    def test_a_file_that_the_manifest_does_not_name_is_refused(self, inspect: Inspect, model: Path) -> None:
        with pytest.raises(InvalidArtifactError, match=r"extra\.bin"):
            inspect(tar_gz(*members_of(model), ("extra.bin", b"x")))

    def test_a_file_that_the_manifest_names_must_be_there(self, inspect: Inspect, model: Path) -> None:
        with pytest.raises(InvalidArtifactError, match=r"model\.onnx"):
            inspect(tar_gz(*[member for member in members_of(model) if member[0] != "model.onnx"]))

    def test_a_file_of_another_digest_is_refused(self, inspect: Inspect, model: Path) -> None:
        with pytest.raises(InvalidArtifactError, match=r"model\.onnx"):
            inspect(tar_gz(*members_of(model, model__onnx=b"another network")))

    @pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000])
    def test_a_manifest_that_is_no_object_is_refused(self, inspect: Inspect, model: Path, content: bytes) -> None:
        with pytest.raises(InvalidArtifactError):
            inspect(tar_gz(*members_of(model, manifest__json=content)))

    def test_an_artifact_without_a_manifest_is_refused(self, inspect: Inspect) -> None:
        with pytest.raises(InvalidArtifactError, match=r"manifest\.json"):
            inspect(tar_gz(("model.onnx", b"x")))

    @pytest.mark.parametrize(
        "changes",
        [
            {"schema": 2},
            {"name": "Waste!"},
            {"labels": []},
            {"labels": [{"name": "a\n"}, {"name": "b"}, {"name": "c"}]},
            {"labels": [{"name": "a"}, {"name": "a"}, {"name": "b"}]},
            {"task": "paint"},
            {"container": "somebody-elses"},
            {"metrics": {"validation": {"macro_recall": float("nan")}}},
        ],
    )
    def test_a_manifest_that_does_not_fit_is_refused(
        self, inspect: Inspect, model: Path, changes: dict[str, Any]
    ) -> None:
        with pytest.raises(InvalidArtifactError):
            inspect(with_manifest(model, **changes))

    def test_a_header_that_claims_a_gigabyte_is_refused_before_it_is_read(self, inspect: Inspect) -> None:
        info = tarfile.TarInfo("pax")
        info.type, info.size = tarfile.XHDTYPE, 900_000_000
        with pytest.raises(InvalidArtifactError):
            inspect(gzip.compress(info.tobuf() + bytes(1 << 21)))


def test_only_what_answered_its_photo_is_proved(inspect: Inspect, model: Path, request: Any) -> None:
    assert inspect(packed(model)).proved is ("loading" in request.node.name)


def test_loading_refuses_a_network_that_answers_another_way(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "model")
    document = json.loads((folder / "selftest.json").read_text()) | {"probabilities": [0.1, 0.8, 0.1]}
    content = json.dumps(document).encode()
    (folder / "selftest.json").write_bytes(content)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"]["selftest.json"] = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    blobs = FolderBlobs(tmp_path / "files", "http://127.0.0.1:1", b"k" * 32, time.time)
    pack(folder, tmp_path / "model.tar.gz")
    blobs.put(NAME, tmp_path / "model.tar.gz")
    shutil.rmtree(folder)
    digest = hashlib.sha256((tmp_path / "model.tar.gz").read_bytes()).hexdigest()
    with pytest.raises(InvalidArtifactError, match="differs"):
        LoadingInspector(blobs, tmp_path / "work").inspect(NAME, digest)


def test_streaming_refuses_what_unpacks_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(artifact_stream, "MAX_UNPACKED_BYTES", 1 << 22)
    info = tarfile.TarInfo("model.onnx")
    info.size = 1 << 24
    (tmp_path / "bomb").write_bytes(gzip.compress(info.tobuf() + bytes(1 << 24)))
    blobs = FolderBlobs(tmp_path / "files", "http://127.0.0.1:1", b"k" * 32, time.time)
    blobs.put(NAME, tmp_path / "bomb")
    with pytest.raises(InvalidArtifactError, match="unpacks to more than"):
        StreamingInspector(blobs).inspect(NAME, "0" * 64)
