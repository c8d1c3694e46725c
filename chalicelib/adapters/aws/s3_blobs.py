"""BlobStore in an S3 bucket: written once, checked by SHA-256 on the way in and out, URLs signed."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.adapters.aws.failures import code_of, store_errors, unavailable
from chalicelib.domain.errors import BlobNotFoundError
from chalicelib.domain.ports import BlobStore, Clock, UploadTarget, UploadTerms

if TYPE_CHECKING:
    from botocore.response import StreamingBody
    from mypy_boto3_s3 import S3Client

STORE = "The bucket"
CHUNK_BYTES = 1 << 20
MISSING = frozenset({"404", "NoSuchKey", "NotFound"})
EXISTS = frozenset({"412", "PreconditionFailed"})


class S3Blobs(BlobStore):
    def __init__(self, client: S3Client, bucket: str, clock: Clock) -> None:
        self._client = client
        self._bucket = bucket
        self._clock = clock

    def put(self, name: str, source: Path) -> None:
        """An existing name is found before any byte is sent; the condition decides when two come at once."""
        if self.exists(name):
            return
        checksum = _checksum(source)
        try:
            with store_errors(STORE, passing=EXISTS), source.open("rb") as body:
                self._client.put_object(
                    Bucket=self._bucket,
                    Key=name,
                    Body=body,
                    ChecksumAlgorithm="SHA256",
                    ChecksumSHA256=checksum,
                    IfNoneMatch="*",
                )
        except ClientError:
            return

    def fetch(self, name: str, target: Path) -> None:
        with self.open(name) as stream, _whole(target) as temporary, temporary.open("wb") as copy:
            shutil.copyfileobj(stream, copy, CHUNK_BYTES)

    def open(self, name: str) -> BinaryIO:
        """S3 sends the checksum along, and botocore compares it when the last byte was read."""
        try:
            with store_errors(STORE, passing=MISSING):
                answer = self._client.get_object(Bucket=self._bucket, Key=name, ChecksumMode="ENABLED")
        except ClientError as error:
            raise _missing(name) from error
        return io.BufferedReader(ObjectStream(answer["Body"]), CHUNK_BYTES)

    def copy(self, source: str, target: str) -> None:
        """On S3's side; no byte comes here."""
        if not self.exists(source):
            raise _missing(source)
        if self.exists(target):
            return
        try:
            with store_errors(STORE, passing=EXISTS | MISSING):
                self._client.copy_object(
                    Bucket=self._bucket,
                    Key=target,
                    CopySource={"Bucket": self._bucket, "Key": source},
                    ChecksumAlgorithm="SHA256",
                    IfNoneMatch="*",
                )
        except ClientError as error:
            if code_of(error) in MISSING:
                raise _missing(source) from error

    def exists(self, name: str) -> bool:
        try:
            with store_errors(STORE, passing=MISSING):
                self._client.head_object(Bucket=self._bucket, Key=name)
        except ClientError:
            return False
        return True

    def delete(self, name: str) -> None:
        with store_errors(STORE):
            self._client.delete_object(Bucket=self._bucket, Key=name)

    def download_url(self, name: str, expires_s: int) -> str:
        with store_errors(STORE):
            return self._client.generate_presigned_url(
                "get_object", Params={"Bucket": self._bucket, "Key": name}, ExpiresIn=expires_s
            )

    def upload_target(self, terms: UploadTerms) -> UploadTarget:
        """Everything in `headers` is signed: other bytes, another length or a second time are refused by S3."""
        checksum = base64.b64encode(bytes.fromhex(terms.sha256)).decode()
        signed = {
            "Bucket": self._bucket,
            "Key": terms.name,
            "ContentLength": terms.bytes,
            "ContentType": terms.content_type,
            "ChecksumSHA256": checksum,
            "IfNoneMatch": "*",
        }
        lifetime_s = max(1, terms.expires_at_s - int(self._clock()))
        with store_errors(STORE):
            url = self._client.generate_presigned_url("put_object", Params=signed, ExpiresIn=lifetime_s)
        headers = {
            "Content-Type": terms.content_type,
            "Content-Length": str(terms.bytes),
            "If-None-Match": "*",
            "x-amz-checksum-sha256": checksum,
        }
        return UploadTarget(url, "PUT", headers, terms.expires_at_s)


class ObjectStream(io.RawIOBase):
    """A body of S3 as a file that reads forward; what breaks on the way is a StoreUnavailableError."""

    def __init__(self, body: StreamingBody) -> None:
        self._body = body

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        try:
            data = self._body.read(len(buffer))
        except (BotoCoreError, OSError) as error:
            raise unavailable(STORE, f"the download broke off: {error}") from error
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._body.close()
        super().close()


def _missing(name: str) -> BlobNotFoundError:
    return BlobNotFoundError(f"The artifact store holds no '{name}'.")


def _checksum(path: Path) -> str:
    with path.open("rb") as stream:
        return base64.b64encode(hashlib.file_digest(stream, "sha256").digest()).decode()


@contextmanager
def _whole(target: Path) -> Iterator[Path]:
    """A temporary path beside `target` that becomes it only when the block succeeds."""
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=".partial-")
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
