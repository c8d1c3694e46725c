"""/files/...: what presigned S3 URLs are on AWS. Signed, expiring; a PUT takes exactly what was announced, once."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import parse_qs

from chalicelib.adapters.embedded.folder_blobs import FolderBlobs
from chalicelib.adapters.embedded.wsgi import Environ, StartResponse
from chalicelib.domain.errors import BinsightError
from chalicelib.domain.upload import Upload

PREFIX = "/files/"
CHUNK = 256 * 1024
ALLOW = ("Allow", "GET, HEAD, OPTIONS, PUT")
DIGITS = re.compile("[0-9]{1,12}")


class FileRefusedError(Exception):
    def __init__(self, status: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


class FileServer:
    def __init__(self, blobs: FolderBlobs, announced: Callable[[str], Upload], cors_origin: str | None = None) -> None:
        self._blobs = blobs
        self._announced = announced
        self._cors = _cors(cors_origin)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]]) -> Any:
            return start_response(status, headers + self._cors)

        return self._guarded(environ, start)

    def _guarded(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        try:
            return self._answer(environ, start_response)
        except (FileRefusedError, BinsightError) as error:
            status = error.status if isinstance(error, FileRefusedError) else "404 Not Found"
            return _refuse(start_response, status, str(error))

    def _answer(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        method, name = environ["REQUEST_METHOD"], environ["PATH_INFO"][len(PREFIX) :]
        if method == "OPTIONS":
            start_response("204 No Content", [ALLOW])
            return []
        if method not in ("GET", "HEAD", "PUT"):
            raise FileRefusedError("405 Method Not Allowed", "Files take GET, HEAD and PUT.")
        self._check_signature("PUT" if method == "PUT" else "GET", name, environ)
        if method == "PUT":
            self._take(name, environ)
            start_response("200 OK", [("Content-Length", "0")])
            return []
        return self._give(name, environ, start_response)

    def _check_signature(self, method: str, name: str, environ: Environ) -> None:
        query = parse_qs(environ.get("QUERY_STRING", ""))
        expires, signature = query.get("expires", [""])[0], query.get("signature", [""])[0]
        if not DIGITS.fullmatch(expires) or not self._blobs.is_signed(method, name, int(expires), signature):
            raise FileRefusedError("403 Forbidden", "This URL has expired or was not made here; ask for a new one.")

    def _take(self, name: str, environ: Environ) -> None:
        upload = self._announced(name.rpartition("/")[2])
        if upload.used or self._blobs.exists(name):
            raise FileRefusedError("412 Precondition Failed", "This upload has its bytes already.")
        length = environ.get("CONTENT_LENGTH") or "-1"
        if int(length) != upload.bytes:
            raise FileRefusedError("400 Bad Request", f"{upload.bytes} bytes were announced, {length} are sent.")
        if environ.get("CONTENT_TYPE", "") != upload.content_type:
            raise FileRefusedError("400 Bad Request", f"'{upload.content_type}' was announced as Content-Type.")
        self._store(name, upload, environ["wsgi.input"])

    def _store(self, name: str, upload: Upload, stream: BinaryIO) -> None:
        target = self._blobs.path(name)
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=".upload-")
        os.close(handle)
        try:
            digest = _receive(stream, upload.bytes, Path(temporary))
            if digest != upload.sha256:
                raise FileRefusedError("400 Bad Request", "The bytes do not have the announced SHA-256.")
            self._blobs.put(name, Path(temporary))
        finally:
            Path(temporary).unlink(missing_ok=True)

    def _give(self, name: str, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        stream = self._blobs.open(name)
        try:
            return self._send(stream, name, environ, start_response)
        except FileRefusedError:
            stream.close()
            raise

    def _send(self, stream: BinaryIO, name: str, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        size = os.fstat(stream.fileno()).st_size
        etag = f'"{Path(name).name.partition(".")[0]}"'
        if environ.get("HTTP_IF_MATCH", etag) not in (etag, "*"):
            raise FileRefusedError("412 Precondition Failed", "The file is not the one you began to download.")
        first, last, status = _range(environ.get("HTTP_RANGE"), size)
        headers = [("Content-Type", "application/octet-stream"), ("Accept-Ranges", "bytes"), ("ETag", etag)]
        headers.append(("Content-Length", str(last - first + 1)))
        if status.startswith("206"):
            headers.append(("Content-Range", f"bytes {first}-{last}/{size}"))
        start_response(status, headers)
        if environ["REQUEST_METHOD"] == "HEAD":
            stream.close()
            return []
        return _chunks(stream, first, last - first + 1)


def _cors(origin: str | None) -> list[tuple[str, str]]:
    """What a browser must hear before a page of that origin may send an upload; the bucket's own rules on AWS."""
    if not origin:
        return []
    return [
        ("Access-Control-Allow-Origin", origin),
        ("Access-Control-Allow-Methods", "GET, HEAD, PUT"),
        ("Access-Control-Allow-Headers", "Content-Type, If-Match, If-None-Match, Range"),
        ("Access-Control-Expose-Headers", "Content-Range, ETag"),
        ("Access-Control-Max-Age", "600"),
    ]


def _receive(stream: BinaryIO, size: int, target: Path) -> str:
    digest, left = hashlib.sha256(), size
    with target.open("wb") as copy:
        while left > 0:
            chunk = stream.read(min(CHUNK, left))
            if not chunk:
                raise FileRefusedError("400 Bad Request", f"The body broke off {left} bytes before its end.")
            digest.update(chunk)
            copy.write(chunk)
            left -= len(chunk)
    return digest.hexdigest()


def _range(header: str | None, size: int) -> tuple[int, int, str]:
    """First and last byte to send. One range of the form `bytes=a-` or `bytes=a-b` is honoured, others ignored."""
    found = re.fullmatch(r"bytes=([0-9]{1,18})-([0-9]{0,18})", header or "")
    if not found:
        return 0, size - 1, "200 OK"
    first = int(found[1])
    last = min(int(found[2]) if found[2] else size - 1, size - 1)
    if first > last:
        raise FileRefusedError("416 Range Not Satisfiable", f"The file has {size} bytes.")
    return first, last, "206 Partial Content"


def _chunks(stream: BinaryIO, first: int, length: int) -> Iterator[bytes]:
    with stream:
        stream.seek(first)
        while length > 0:
            chunk = stream.read(min(CHUNK, length))
            if not chunk:
                return
            length -= len(chunk)
            yield chunk


def _refuse(start_response: StartResponse, status: str, detail: str) -> list[bytes]:
    code, _, title = status.partition(" ")
    problem: dict[str, Any] = {"type": "about:blank", "title": title, "status": int(code), "detail": detail}
    body = json.dumps(problem).encode()
    headers = [("Content-Type", "application/problem+json"), ("Content-Length", str(len(body)))]
    start_response(status, [*headers, ALLOW] if code == "405" else headers)
    return [body]
