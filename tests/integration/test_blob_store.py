"""The port BlobStore in a folder and in an S3 bucket."""

import base64
import hashlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import parse_qs, urlsplit
from urllib.request import Request, urlopen

import pytest

from chalicelib.adapters.aws.clients import s3_client
from chalicelib.adapters.aws.s3_blobs import S3Blobs
from chalicelib.adapters.embedded.folder_blobs import FolderBlobs
from chalicelib.domain.errors import BlobNotFoundError, StoreUnavailableError
from chalicelib.domain.ports import BlobStore, UploadTarget, UploadTerms
from tests.integration.conftest import BUCKET, REGION, Clients

NAME = "artifacts/" + "a" * 64 + ".tar.gz"
CONTENT = bytes(range(256)) * 9000


@pytest.fixture(params=["folder", "s3", "ministack"])
def blobs(request: pytest.FixtureRequest) -> Iterator[BlobStore]:
    if request.param != "folder":
        yield request.getfixturevalue(f"{request.param}_blobs")
        return
    yield FolderBlobs(request.getfixturevalue("tmp_path") / "files", "http://127.0.0.1:1", b"k" * 32, time.time)


@pytest.fixture
def file(tmp_path: Path) -> Callable[[bytes], Path]:
    def write(content: bytes) -> Path:
        path = tmp_path / f"source-{hashlib.sha256(content).hexdigest()[:8]}"
        path.write_bytes(content)
        return path

    return write


@pytest.fixture
def terms() -> UploadTerms:
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    return UploadTerms("uploads/abc", len(CONTENT), sha256, "image/jpeg", int(time.time()) + 600)


class TestFiles:
    def test_a_file_comes_out_as_it_went_in(
        self, blobs: BlobStore, file: Callable[[bytes], Path], tmp_path: Path
    ) -> None:
        blobs.put(NAME, file(CONTENT))
        target = tmp_path / "new" / "folder" / "copy"
        blobs.fetch(NAME, target)
        assert target.read_bytes() == CONTENT
        with blobs.open(NAME) as stream:
            assert stream.read(5) == CONTENT[:5]
            assert stream.read() == CONTENT[5:]

    def test_an_empty_file_is_a_file(self, blobs: BlobStore, file: Callable[[bytes], Path]) -> None:
        blobs.put(NAME, file(b""))
        assert blobs.exists(NAME)
        with blobs.open(NAME) as stream:
            assert stream.read() == b""

    def test_a_name_is_never_overwritten(self, blobs: BlobStore, file: Callable[[bytes], Path]) -> None:
        blobs.put(NAME, file(b"first"))
        blobs.put("uploads/other", file(b"second"))
        blobs.put(NAME, file(b"second"))
        blobs.copy("uploads/other", NAME)
        with blobs.open(NAME) as stream:
            assert stream.read() == b"first"

    def test_what_is_not_there_is_not_found(self, blobs: BlobStore, tmp_path: Path) -> None:
        target = tmp_path / "target"
        target.write_bytes(b"before")
        for attempt in (
            lambda: blobs.open(NAME),
            lambda: blobs.fetch(NAME, target),
            lambda: blobs.copy(NAME, "artifacts/other"),
        ):
            with pytest.raises(BlobNotFoundError, match="a" * 64):
                attempt()
        assert not blobs.exists(NAME)
        assert not blobs.exists("artifacts/other")
        assert target.read_bytes() == b"before"

    def test_a_copy_stays_when_its_source_goes(self, blobs: BlobStore, file: Callable[[bytes], Path]) -> None:
        blobs.put("uploads/abc", file(CONTENT))
        blobs.copy("uploads/abc", NAME)
        blobs.delete("uploads/abc")
        blobs.delete("uploads/abc")
        assert not blobs.exists("uploads/abc")
        with blobs.open(NAME) as stream:
            assert stream.read() == CONTENT

    def test_a_fetched_file_leaves_nothing_beside_it(
        self, blobs: BlobStore, file: Callable[[bytes], Path], tmp_path: Path
    ) -> None:
        blobs.put(NAME, file(CONTENT))
        blobs.fetch(NAME, tmp_path / "alone" / "copy")
        with pytest.raises(BlobNotFoundError):
            blobs.fetch("artifacts/none", tmp_path / "alone" / "other")
        assert [path.name for path in (tmp_path / "alone").iterdir()] == ["copy"]

    def test_an_upload_target_names_what_was_announced(self, blobs: BlobStore, terms: UploadTerms) -> None:
        target = blobs.upload_target(terms)
        assert (target.method, target.expires_at_s) == ("PUT", terms.expires_at_s)
        assert target.headers["Content-Type"] == "image/jpeg"
        assert target.headers["Content-Length"] == str(len(CONTENT))
        assert target.headers["If-None-Match"] == "*"
        assert "uploads/abc" in target.url


class TestS3:
    def test_every_header_of_an_upload_is_signed(self, s3_blobs: S3Blobs, terms: UploadTerms) -> None:
        target = s3_blobs.upload_target(terms)
        query = {name: values[0] for name, values in parse_qs(urlsplit(target.url).query).items()}
        signed = set(query["X-Amz-SignedHeaders"].split(";"))
        assert signed == {"host", *(name.lower() for name in target.headers)}
        assert query["X-Amz-Algorithm"] == "AWS4-HMAC-SHA256"
        assert 590 <= int(query["X-Amz-Expires"]) <= 600
        checksum = base64.b64decode(target.headers["x-amz-checksum-sha256"])
        assert checksum.hex() == terms.sha256

    def test_urls_go_to_the_buckets_own_region(self, s3_blobs: S3Blobs, terms: UploadTerms) -> None:
        urls = [s3_blobs.upload_target(terms).url, s3_blobs.download_url(NAME, 900)]
        assert {urlsplit(url).netloc for url in urls} == {f"{BUCKET}.s3.{REGION}.amazonaws.com"}
        assert parse_qs(urlsplit(urls[1]).query)["X-Amz-Expires"] == ["900"]

    def test_what_was_put_carries_its_sha256(
        self, s3_blobs: S3Blobs, clients: Clients, file: Callable[[bytes], Path]
    ) -> None:
        s3_blobs.put(NAME, file(CONTENT))
        s3_blobs.copy(NAME, "artifacts/copy")
        for name in (NAME, "artifacts/copy"):
            head = clients.s3.head_object(Bucket=BUCKET, Key=name, ChecksumMode="ENABLED")
            assert base64.b64decode(head.get("ChecksumSHA256", "")), name
            assert base64.b64decode(head["ChecksumSHA256"]) == hashlib.sha256(CONTENT).digest()

    def test_a_bucket_that_is_not_there_is_an_unavailable_store(
        self, aws: Clients, file: Callable[[bytes], Path]
    ) -> None:
        missing = S3Blobs(aws.s3, "nobody-made-this", time.time)
        with pytest.raises(StoreUnavailableError, match="NoSuchBucket"):
            missing.put(NAME, file(CONTENT))
        with pytest.raises(StoreUnavailableError, match="NoSuchBucket"):
            missing.open(NAME)

    def test_a_download_that_breaks_off_leaves_no_file(self, no_account: None, tmp_path: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            server = threading.Thread(target=send_half, args=(listener,))
            server.start()
            blobs = S3Blobs(s3_client(REGION, endpoint_url=url), BUCKET, time.time)
            with pytest.raises(StoreUnavailableError, match="broke off"):
                blobs.fetch(NAME, tmp_path / "alone" / "copy")
            server.join()
        assert list((tmp_path / "alone").iterdir()) == []


def send_half(listener: socket.socket) -> None:
    connection, _ = listener.accept()
    with connection:
        connection.recv(65536)
        connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\nETag: "x"\r\n\r\n' + bytes(500))


class TestUploads:
    """Over real HTTP: what a caller does with an upload target."""

    def test_what_was_announced_is_taken_once(
        self, ministack_blobs: S3Blobs, terms: UploadTerms, tmp_path: Path
    ) -> None:
        target = ministack_blobs.upload_target(terms)
        assert put(target, CONTENT) == 200
        ministack_blobs.fetch(terms.name, tmp_path / "copy")
        assert (tmp_path / "copy").read_bytes() == CONTENT
        assert put(target, CONTENT) == 412

    def test_a_download_url_gives_the_file_and_its_parts(
        self, ministack_blobs: S3Blobs, file: Callable[[bytes], Path]
    ) -> None:
        ministack_blobs.put(NAME, file(CONTENT))
        url = ministack_blobs.download_url(NAME, 60)
        with urlopen(url) as answer:
            assert answer.read() == CONTENT
        with urlopen(Request(url, headers={"Range": "bytes=1000-"})) as answer:
            assert (answer.status, answer.read()) == (206, CONTENT[1000:])


def put(target: UploadTarget, content: bytes) -> int:
    try:
        with urlopen(Request(target.url, content, dict(target.headers), method=target.method)) as answer:
            status: int = answer.status
            return status
    except HTTPError as error:
        with error:
            return error.code
