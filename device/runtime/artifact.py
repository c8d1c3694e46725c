"""model.tar.gz: packed the same way every time, unpacked without trusting it. Standard library only."""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import tarfile
import tempfile
import zlib
from pathlib import Path
from typing import IO, Dict, Iterator, List, Optional, Union, cast

from device.runtime.manifest import MANIFEST_FILE, FileEntry, Manifest, read_manifest

MAX_TOTAL_BYTES = 1024 * 1024 * 1024
MAX_FILES = 64
_CHUNK_BYTES = 1024 * 1024


class ArtifactError(ValueError):
    """The archive is damaged, is not what it should be, or tries to write outside of its folder."""


def describe_files(folder: Path) -> Dict[str, Dict[str, Union[str, int]]]:
    """The manifest's "files": digest and size of every file in the folder but the manifest itself."""
    names = sorted(path.name for path in folder.iterdir() if path.name != MANIFEST_FILE)
    return {name: {"sha256": digest_of(folder / name), "bytes": (folder / name).stat().st_size} for name in names}


def digest_of(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        for chunk in _chunks(stream):
            digest.update(chunk)
    return digest.hexdigest()


def pack(folder: Path, archive: Path) -> str:
    """Writes the manifest and every file it names; answers the archive's digest. The same files give the same bytes.

    It appears whole or not at all, also on a disk that is full.

    Raises: ManifestError; ArtifactError when a file is missing or is not as the manifest says; OSError.
    """
    manifest = verify(folder)
    names = sorted([MANIFEST_FILE] + [entry.name for entry in manifest.files])
    part = archive.with_name(archive.name + ".part")
    try:
        with part.open("wb") as raw:
            # No name and no time in gzip's header: they would make every archive another one.
            with gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0, compresslevel=6) as packed:
                _write_members(cast("IO[bytes]", packed), folder, names)
            _sync(raw)
        part.replace(archive)
    finally:
        if part.exists():
            part.unlink()
    return digest_of(archive)


def verify(folder: Path) -> Manifest:
    """Reads the manifest and checks every file against it. Raises: ManifestError, ArtifactError."""
    manifest = read_manifest(folder)
    for entry in manifest.files:
        _verify_file(folder / entry.name, entry)
    return manifest


def unpack(
    archive: Path, folder: Path, expected_digest: Optional[str] = None, max_total_bytes: int = MAX_TOTAL_BYTES
) -> Manifest:
    """folder: must not exist; it appears whole, checked and written through to the disk, or not at all.

    Raises: ArtifactError, ManifestError.
    """
    if folder.exists():
        raise ArtifactError("%s is there already; unpack into a folder that is not" % folder)
    if expected_digest is not None and digest_of(archive) != expected_digest:
        raise ArtifactError("the archive's digest is not %s; fetch it again" % expected_digest)
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=".%s." % folder.name, dir=str(folder.parent)))
    try:
        manifest = _unpack_into(archive, part, max_total_bytes)
        part.rename(folder)
        _sync_folder(folder.parent)
    finally:
        shutil.rmtree(str(part), ignore_errors=True)
    return manifest


def _unpack_into(archive: Path, part: Path, max_total_bytes: int) -> Manifest:
    try:
        names = _extract(archive, part, max_total_bytes)
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        raise ArtifactError("the archive is damaged (%s); fetch it again" % error) from error
    if MANIFEST_FILE not in names:
        raise ArtifactError("the archive has no %s; it is no Binsight model" % MANIFEST_FILE)
    manifest = verify(part)
    foreign = set(names) - {entry.name for entry in manifest.files} - {MANIFEST_FILE}
    if foreign:
        raise ArtifactError("the archive holds %s, which its manifest does not name" % ", ".join(sorted(foreign)))
    _sync_folder(part)
    return manifest


def _extract(archive: Path, part: Path, max_total_bytes: int) -> List[str]:
    names: List[str] = []
    with gzip.open(str(archive), "rb") as packed:
        bounded = cast("IO[bytes]", _BoundedReader(cast("IO[bytes]", packed), max_total_bytes))
        with tarfile.open(fileobj=bounded, mode="r:") as tar:
            for member in tar:
                _check_member(member, names)
                names.append(member.name)
                _copy(tar, member, part / member.name)
        _read_to_the_end(bounded)
    return names


def _read_to_the_end(stream: IO[bytes]) -> None:
    """Only there does gzip compare its checksum, or find that the end is missing."""
    for _ in _chunks(stream):
        continue


def _check_member(member: tarfile.TarInfo, names: List[str]) -> None:
    if not member.isreg():
        raise ArtifactError("%r is a link, folder or device; a model holds plain files only" % member.name)
    if not member.name or set(member.name) & set("/\\\0:") or member.name.startswith("."):
        raise ArtifactError("%r would be written elsewhere; a model's files are flat" % member.name)
    if member.name in names:
        raise ArtifactError("%r stands in the archive twice" % member.name)
    if len(names) >= MAX_FILES:
        raise ArtifactError("the archive holds more than %d files" % MAX_FILES)


def _copy(tar: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
    source = tar.extractfile(member)
    if source is None:
        raise ArtifactError("%r cannot be read" % member.name)
    with target.open("wb") as stream:
        for chunk in _chunks(source):
            stream.write(chunk)
        _sync(stream)
    if target.stat().st_size != member.size:
        raise ArtifactError("the archive ends inside %r; fetch it again" % member.name)


class _BoundedReader:
    """What tarfile needs of a stream, without ever holding or reading more than it should."""

    def __init__(self, stream: IO[bytes], max_bytes: int) -> None:
        self._stream = stream
        self._max_bytes = max_bytes

    def read(self, size: int = -1) -> bytes:
        # A long name or a comment in a header is read at once, however long it says it is.
        if not 0 <= size <= _CHUNK_BYTES:
            raise ArtifactError("the archive has a header of %d bytes" % size)
        self._check(self._stream.tell() + size)
        return self._stream.read(size)

    def seek(self, position: int) -> int:
        self._check(position)
        return self._stream.seek(position)

    def tell(self) -> int:
        return self._stream.tell()

    def _check(self, position: int) -> None:
        if position > self._max_bytes:
            raise ArtifactError("the archive unpacks to more than %d bytes" % self._max_bytes)


def _write_members(packed: IO[bytes], folder: Path, names: List[str]) -> None:
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = (folder / name).stat().st_size
            member.mode = 0o644
            with (folder / name).open("rb") as stream:
                tar.addfile(member, stream)


def _verify_file(path: Path, entry: FileEntry) -> None:
    if not path.is_file() or path.is_symlink():
        raise ArtifactError("%s is missing, and the manifest names it" % entry.name)
    if path.stat().st_size != entry.bytes or digest_of(path) != entry.sha256:
        raise ArtifactError("%s is not the file that the manifest names: its digest differs" % entry.name)


def _chunks(stream: IO[bytes]) -> Iterator[bytes]:
    while True:
        chunk = stream.read(_CHUNK_BYTES)
        if not chunk:
            return
        yield chunk


def _sync(stream: IO[bytes]) -> None:
    stream.flush()
    os.fsync(stream.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(str(folder), os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
