from __future__ import annotations

import errno
import gzip
import hashlib
import io
import json
import os
import tarfile
import time
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

import pytest

from device.runtime.artifact import ArtifactError, describe_files, digest_of, pack, unpack
from device.runtime.manifest import ManifestError
from device.runtime.predictor import Predictor
from tests.device.models import model_folder


def packed(tmp_path: Path) -> Tuple[Path, str]:
    archive = tmp_path / "model.tar.gz"
    return archive, pack(model_folder(tmp_path / "made"), archive)


def members(archive: Path) -> Dict[str, bytes]:
    with tarfile.open(str(archive)) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]


def forged(tmp_path: Path, files: List[Tuple[tarfile.TarInfo, bytes]]) -> Path:
    archive = tmp_path / "forged.tar.gz"
    with tarfile.open(str(archive), "w:gz", format=tarfile.GNU_FORMAT) as tar:
        for member, content in files:
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return archive


def named(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


def refused(archive: Path, tmp_path: Path, message: str, error: type = ArtifactError, **options: Any) -> None:
    """It is refused, and leaves nothing behind."""
    before = sorted(tmp_path.iterdir())
    with pytest.raises(error, match=message):
        unpack(archive, tmp_path / "slot", **options)
    assert sorted(tmp_path.iterdir()) == before


def test_a_full_disk_leaves_no_half_written_archive_and_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive, digest = packed(tmp_path)
    before = sorted(tmp_path.iterdir())

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("device.runtime.artifact.os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        pack(tmp_path / "made", archive)
    assert sorted(tmp_path.iterdir()) == before
    assert digest_of(archive) == digest


def test_what_was_packed_is_unpacked_and_runs(tmp_path: Path) -> None:
    archive, digest = packed(tmp_path)
    manifest = unpack(archive, tmp_path / "slots" / digest, digest)
    assert manifest.name == "waste"
    Predictor.load(tmp_path / "slots" / digest).self_test()


def test_the_digest_is_that_of_the_archive(tmp_path: Path) -> None:
    archive, digest = packed(tmp_path)
    assert digest == hashlib.sha256(archive.read_bytes()).hexdigest() == digest_of(archive)


def test_the_same_files_make_the_same_archive(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "made")
    first = pack(folder, tmp_path / "a.tar.gz")
    for path in folder.iterdir():
        os.utime(str(path), (time.time() + 5000, time.time() + 5000))
        path.chmod(0o600)
    assert pack(folder, tmp_path / "another name.tar.gz") == first


def test_the_archive_holds_sorted_flat_members_without_owner_and_time(tmp_path: Path) -> None:
    archive, _ = packed(tmp_path)
    with tarfile.open(str(archive)) as tar:
        found = tar.getmembers()
    assert [member.name for member in found] == ["manifest.json", "model.onnx", "selftest.json"]
    assert {(member.mtime, member.uid, member.gid, member.uname, member.mode) for member in found} == {
        (0, 0, 0, "", 0o644)
    }
    assert archive.read_bytes()[4:8] == b"\0\0\0\0"


def test_a_file_that_the_manifest_does_not_name_is_not_packed(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "made")
    (folder / "notes.txt").write_text("draft", encoding="utf-8")
    pack(folder, tmp_path / "model.tar.gz")
    assert "notes.txt" not in members(tmp_path / "model.tar.gz")


def test_a_file_that_is_not_as_the_manifest_says_is_not_packed(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "made")
    (folder / "selftest.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ArtifactError, match=r"selftest\.json is not the file"):
        pack(folder, tmp_path / "model.tar.gz")
    assert not (tmp_path / "model.tar.gz").exists()


def test_files_are_described_for_the_manifest(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "made")
    described = describe_files(folder)
    assert sorted(described) == ["model.onnx", "selftest.json"]
    assert described["model.onnx"]["bytes"] == (folder / "model.onnx").stat().st_size


def test_another_digest_than_expected_is_refused_before_unpacking(tmp_path: Path) -> None:
    archive, _ = packed(tmp_path)
    refused(archive, tmp_path, "the archive's digest is not", expected_digest="0" * 64)


@pytest.mark.parametrize("part", [0.01, 0.5, 0.9, 0.99])
def test_a_truncated_archive_is_refused(tmp_path: Path, part: float) -> None:
    archive, _ = packed(tmp_path)
    body = archive.read_bytes()
    archive.write_bytes(body[: int(len(body) * part)])
    refused(archive, tmp_path, "damaged|digest differs|ends inside|has no manifest|is missing")


@pytest.mark.parametrize("body", [b"", b"no archive at all", gzip.compress(b"no tar at all"), b"\x1f\x8b" + b"\0" * 50])
def test_what_is_no_archive_is_refused(tmp_path: Path, body: bytes) -> None:
    archive = tmp_path / "model.tar.gz"
    archive.write_bytes(body)
    refused(archive, tmp_path, "damaged|has no manifest")


@pytest.mark.parametrize(
    ("member", "message"),
    [
        (named("../evil"), "flat"),
        (named("/etc/evil"), "flat"),
        (named("a/b"), "flat"),
        (named("a\\b"), "flat"),
        (named(".bashrc"), "flat"),
        (named(".."), "flat"),
        (named("C:evil"), "flat"),
        (named("link", tarfile.SYMTYPE, "/etc/passwd"), "plain files only"),
        (named("link", tarfile.LNKTYPE, "manifest.json"), "plain files only"),
        (named("folder", tarfile.DIRTYPE), "plain files only"),
        (named("pipe", tarfile.FIFOTYPE), "plain files only"),
        (named("device", tarfile.CHRTYPE), "plain files only"),
    ],
)
def test_a_member_that_would_be_written_elsewhere_is_refused(
    tmp_path: Path, member: tarfile.TarInfo, message: str
) -> None:
    refused(forged(tmp_path, [(member, b"")]), tmp_path, message)
    assert not (tmp_path.parent / "evil").exists()


def test_a_member_that_stands_there_twice_is_refused(tmp_path: Path) -> None:
    refused(forged(tmp_path, [(named("a"), b"1"), (named("a"), b"2")]), tmp_path, "twice")


def test_too_many_members_are_refused(tmp_path: Path) -> None:
    refused(forged(tmp_path, [(named(str(index)), b"") for index in range(65)]), tmp_path, "more than 64 files")


def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    archive = forged(tmp_path, [(named("zeros"), b"\0" * 3000000)])
    refused(archive, tmp_path, "more than 2000000 bytes", max_total_bytes=2000000)


def test_a_header_that_asks_for_much_memory_is_refused(tmp_path: Path) -> None:
    archive = forged(tmp_path, [(named("n" * 2000000), b"")])
    refused(archive, tmp_path, "a header of")


def test_an_archive_without_a_manifest_is_refused(tmp_path: Path) -> None:
    refused(forged(tmp_path, [(named("model.onnx"), b"1")]), tmp_path, r"no manifest\.json")


def changed(tmp_path: Path, name: str, content: Optional[bytes]) -> Path:
    archive, _ = packed(tmp_path)
    files = dict(members(archive))
    files.pop(name, None)
    if content is not None:
        files[name] = content
    return forged(tmp_path, [(named(each), files[each]) for each in sorted(files)])


def test_a_changed_file_is_refused(tmp_path: Path) -> None:
    refused(changed(tmp_path, "model.onnx", b"another"), tmp_path, r"model\.onnx is not the file")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    refused(changed(tmp_path, "selftest.json", None), tmp_path, r"selftest\.json is missing")


def test_a_file_that_the_manifest_does_not_name_is_refused(tmp_path: Path) -> None:
    refused(changed(tmp_path, "extra.sh", b"rm"), tmp_path, r"holds extra\.sh, which its manifest does not name")


def test_a_manifest_from_the_future_is_refused_by_name(tmp_path: Path) -> None:
    document = json.dumps({"schema": 2, "name": "waste"}).encode()
    refused(changed(tmp_path, "manifest.json", document), tmp_path, "'waste' is from the future", ManifestError)


def test_a_folder_that_is_there_is_left_alone(tmp_path: Path) -> None:
    archive, _ = packed(tmp_path)
    (tmp_path / "slot").mkdir()
    with pytest.raises(ArtifactError, match="is there already"):
        unpack(archive, tmp_path / "slot")
    assert list((tmp_path / "slot").iterdir()) == []
