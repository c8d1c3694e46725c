"""Fetches a model's archive, going on where it broke off, and believes its digest only."""

from __future__ import annotations

import http.client
import json
import os
from pathlib import Path
from typing import Any, BinaryIO, Callable, Dict, Mapping, Optional

from device.cloud_errors import BusyError, CloudError, UnreachableError
from device.durable import read_json
from device.runtime.artifact import digest_of
from device.transport import Transport, lower_headers

CHUNK_BYTES = 64 * 1024
_EXPIRED = (401, 403)
_STALE_PART = (412, 416)


class WrongDigestError(CloudError):
    """The whole archive came, and it is not the one that was asked for."""


class Download:
    """Of one archive. `make_room` is told how many bytes are still to come, and of which digest; raises NoRoomError."""

    def __init__(self, transport: Transport, folder: Path, make_room: Callable[[int, str], None]) -> None:
        self._transport = transport
        self._folder = folder
        self._make_room = make_room

    def fetch(self, place: Mapping[str, Any]) -> Path:
        """place: `url`, `digest`, `bytes` as the service gave them. What came is kept for the next try.

        Raises: CloudError, WrongDigestError, NoRoomError, OSError.
        """
        digest, size = str(place["digest"]), int(place["bytes"])
        part = self._folder / (digest + ".part")
        done = _size(part)
        if done < size:
            self._make_room(size - done, digest)
            self._continue(str(place["url"]), part, size)
        if _size(part) < size:
            raise UnreachableError("the download broke off after %d of %d bytes" % (_size(part), size))
        if digest_of(part) != digest:
            self.forget(digest)
            raise WrongDigestError("the archive that came is not %s" % digest[:12])
        return part

    def forget(self, digest: str) -> None:
        for name in (digest + ".part", digest + ".etag"):
            path = self._folder / name
            if path.exists():
                path.unlink()

    def _continue(self, url: str, part: Path, size: int) -> None:
        connection = self._transport.connect(url)
        try:
            headers = self._wanted(part)
            response = self._transport.send(connection, "GET", url, None, headers)
            if response.status in _STALE_PART:
                self.forget(part.stem)
                raise UnreachableError("the archive has changed; it is fetched from its beginning")
            if response.status not in (200, 206):
                raise _refused(response.status)
            self._remember(part, lower_headers(response).get("etag"))
            with part.open("ab" if response.status == 206 else "wb") as stream:
                _copy(response, stream, size)
        finally:
            connection.close()

    def _wanted(self, part: Path) -> Dict[str, str]:
        etag = read_json(part.with_suffix(".etag")).get("etag")
        if not etag or _size(part) == 0:
            return {}
        return {"Range": "bytes=%d-" % _size(part), "If-Match": etag}

    def _remember(self, part: Path, etag: Optional[str]) -> None:
        part.with_suffix(".etag").write_text(json.dumps({"etag": etag}), encoding="utf-8")


def _copy(response: http.client.HTTPResponse, stream: BinaryIO, size: int) -> None:
    """Never more than was announced."""
    while stream.tell() < size:
        try:
            chunk = response.read(min(CHUNK_BYTES, size - stream.tell()))
        except (OSError, http.client.HTTPException):
            chunk = b""
        if not chunk:
            break
        stream.write(chunk)
    stream.flush()
    os.fsync(stream.fileno())


def _refused(status: int) -> CloudError:
    if status in _EXPIRED:
        return UnreachableError("the address of the archive has expired; a fresh one is asked for")
    return BusyError("the archive's place answers %d" % status, None)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
