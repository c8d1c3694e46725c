"""A model.tar.gz read once from its first byte to its last, holding no more than one member: a Lambda has little room.

device/runtime/artifact.py unpacks to a folder; what is refused here, and why, is the same.
"""

from __future__ import annotations

import gzip
import hashlib
import tarfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any, BinaryIO, cast

from chalicelib.domain.errors import InvalidArtifactError

MAX_ARCHIVE_BYTES = 1 << 30
MAX_UNPACKED_BYTES = 1 << 30
MAX_KEPT_BYTES = 8 << 20
MAX_FILES = 64
CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Member:
    """One file of the archive; `content` only where it was asked for."""

    sha256: str
    size_bytes: int
    content: bytes = b""


@dataclass(frozen=True)
class ReadArtifact:
    digest: str
    size_bytes: int
    members: Mapping[str, Member]

    def content(self, name: str) -> bytes:
        """Raises: InvalidArtifactError."""
        if name not in self.members:
            raise InvalidArtifactError(f"The artifact has no {name}; it is no Binsight model.")
        return self.members[name].content


def read_artifact(stream: BinaryIO, keep: Callable[[str], bool]) -> ReadArtifact:
    """Every member's digest and size, the content of those to `keep`, and the digest of the whole.

    Raises: InvalidArtifactError when it is damaged, is no flat archive or is too large; what `stream` raises.
    """
    source = CountingReader(stream, MAX_ARCHIVE_BYTES)
    with _archive_faults(), gzip.GzipFile(fileobj=cast("IO[bytes]", source)) as packed:
        members = dict(_members(cast("IO[bytes]", packed), keep))
        _drain(cast("IO[bytes]", BoundedReader(cast("IO[bytes]", packed), MAX_UNPACKED_BYTES)))
    return ReadArtifact(source.hexdigest(), source.size_bytes, members)


def _members(packed: IO[bytes], keep: Callable[[str], bool]) -> Iterator[tuple[str, Member]]:
    names: set[str] = set()
    bounded = cast("IO[bytes]", BoundedReader(packed, MAX_UNPACKED_BYTES))
    with tarfile.open(fileobj=bounded, mode="r:") as tar:
        for info in tar:
            _check(info, names)
            names.add(info.name)
            yield info.name, _member(tar, info, keep(info.name))


def _check(info: tarfile.TarInfo, names: set[str]) -> None:
    if not info.isreg():
        raise InvalidArtifactError(f"'{info.name}' is a link, folder or device; an artifact holds plain files only.")
    if not info.name or set(info.name) & set("/\\\0:") or info.name.startswith("."):
        raise InvalidArtifactError(f"'{info.name[:80]}' would be written elsewhere; an artifact's files are flat.")
    if info.name in names:
        raise InvalidArtifactError(f"'{info.name}' stands in the artifact twice.")
    if len(names) >= MAX_FILES:
        raise InvalidArtifactError(f"The artifact holds more than {MAX_FILES} files.")


def _member(tar: tarfile.TarFile, info: tarfile.TarInfo, is_kept: bool) -> Member:
    if is_kept and info.size > MAX_KEPT_BYTES:
        raise InvalidArtifactError(f"{info.name} has {info.size} bytes; {MAX_KEPT_BYTES} are the most that are read.")
    source = tar.extractfile(info)
    assert source is not None, "a regular file can be read"
    digest, content, size = hashlib.sha256(), bytearray(), 0
    while chunk := source.read(CHUNK_BYTES):
        digest.update(chunk)
        size += len(chunk)
        if is_kept:
            content += chunk
    if size != info.size:
        raise InvalidArtifactError(f"The artifact ends inside {info.name}; send it again.")
    return Member(digest.hexdigest(), size, bytes(content))


def _drain(stream: IO[bytes]) -> None:
    while stream.read(CHUNK_BYTES):
        pass


@contextmanager
def _archive_faults() -> Iterator[None]:
    try:
        yield
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, UnicodeDecodeError) as error:
        raise InvalidArtifactError(f"The artifact is no whole .tar.gz ({error}); send it again.") from error


class CountingReader:
    """What gzip needs of a stream; the digest and the number of all bytes that went through."""

    def __init__(self, stream: BinaryIO, max_bytes: int) -> None:
        self._stream = stream
        self._max_bytes = max_bytes
        self._digest = hashlib.sha256()
        self.size_bytes = 0

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self.size_bytes += len(data)
        if self.size_bytes > self._max_bytes:
            raise InvalidArtifactError(f"The artifact has more than {self._max_bytes} bytes.")
        self._digest.update(data)
        return data

    def hexdigest(self) -> str:
        return self._digest.hexdigest()


class BoundedReader:
    """What tarfile needs of a stream that only goes forward, without ever reading more than it should."""

    def __init__(self, stream: IO[bytes], max_bytes: int) -> None:
        self._stream = stream
        self._max_bytes = max_bytes

    def read(self, size: int = -1) -> bytes:
        # A long name or a comment in a header is read at once, however long it says it is.
        if not 0 <= size <= CHUNK_BYTES:
            raise InvalidArtifactError(f"The artifact has a header of {size} bytes.")
        self._check(self._stream.tell() + size)
        return self._stream.read(size)

    def seek(self, position: int, *_: Any) -> int:
        if position < self._stream.tell():
            raise InvalidArtifactError("The artifact's files overlap.")
        self._check(position)
        return self._stream.seek(position)

    def tell(self) -> int:
        return self._stream.tell()

    def _check(self, position: int) -> None:
        if position > self._max_bytes + CHUNK_BYTES:
            raise InvalidArtifactError(f"The artifact unpacks to more than {self._max_bytes} bytes.")
