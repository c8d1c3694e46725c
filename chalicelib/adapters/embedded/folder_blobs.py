"""BlobStore in a folder: written beside, synced, then renamed; URLs are the service's own."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from chalicelib.domain.errors import BlobNotFoundError
from chalicelib.domain.ports import BlobStore, Clock, UploadTarget, UploadTerms


class FolderBlobs(BlobStore):
    def __init__(self, folder: Path, public_url: str, signing_key: bytes, clock: Clock) -> None:
        self._folder = folder
        self._public_url = public_url.rstrip("/")
        self._signing_key = signing_key
        self._clock = clock
        folder.mkdir(parents=True, exist_ok=True)

    def put(self, name: str, source: Path) -> None:
        target = self.path(name)
        if target.exists():
            return
        with _whole(target) as temporary, source.open("rb") as stream, temporary.open("wb") as copy:
            shutil.copyfileobj(stream, copy, 1 << 20)

    def fetch(self, name: str, target: Path) -> None:
        with self.open(name) as stream, _whole(target) as temporary, temporary.open("wb") as copy:
            shutil.copyfileobj(stream, copy, 1 << 20)

    def open(self, name: str) -> BinaryIO:
        try:
            return self.path(name).open("rb")
        except FileNotFoundError as error:
            raise BlobNotFoundError(f"The artifact store holds no '{name}'.") from error

    def copy(self, source: str, target: str) -> None:
        if not self.exists(source):
            raise BlobNotFoundError(f"The artifact store holds no '{source}'.")
        self.put(target, self.path(source))

    def exists(self, name: str) -> bool:
        return self.path(name).exists()

    def delete(self, name: str) -> None:
        self.path(name).unlink(missing_ok=True)

    def delete_older(self, folder: str, before_s: float) -> None:
        """Every file of the folder that was last written before then."""
        for path in self.path(folder).glob("*"):
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime < before_s:
                    path.unlink()

    def download_url(self, name: str, expires_s: int) -> str:
        expires_at_s = int(self._clock()) + expires_s
        signature = self.signature("GET", name, expires_at_s)
        return f"{self._public_url}/files/{name}?expires={expires_at_s}&signature={signature}"

    def upload_target(self, terms: UploadTerms) -> UploadTarget:
        signature = self.signature("PUT", terms.name, terms.expires_at_s)
        url = f"{self._public_url}/files/{terms.name}?expires={terms.expires_at_s}&signature={signature}"
        headers = {"Content-Type": terms.content_type, "Content-Length": str(terms.bytes), "If-None-Match": "*"}
        return UploadTarget(url, "PUT", headers, terms.expires_at_s)

    def signature(self, method: str, name: str, expires_at_s: int) -> str:
        message = f"{method}\n{name}\n{expires_at_s}".encode()
        return hmac.new(self._signing_key, message, hashlib.sha256).hexdigest()

    def is_signed(self, method: str, name: str, expires_at_s: int, signature: str) -> bool:
        """True while the URL lives and its signature is ours."""
        expected = self.signature(method, name, expires_at_s)
        return hmac.compare_digest(expected.encode(), signature.encode()) and self._clock() < expires_at_s

    def path(self, name: str) -> Path:
        """Names are ours (`artifacts/<sha256>.tar.gz`, `uploads/<id>`); anything that leaves the folder is a fault."""
        path = (self._folder / name).resolve()
        if not path.is_relative_to(self._folder.resolve()):
            raise BlobNotFoundError(f"The artifact store holds no '{name}'.")
        return path


@contextlib.contextmanager
def _whole(target: Path) -> Iterator[Path]:
    """A temporary path beside `target` that becomes it, synced, only when the block succeeds."""
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=".partial-")
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb+") as stream:
            os.fsync(stream.fileno())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
