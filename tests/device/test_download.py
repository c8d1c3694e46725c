"""Downloads go on where they broke off, and end with the right digest or not at all."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Dict

import pytest

from device.cloud_errors import BusyError, UnreachableError
from device.download import Download, WrongDigestError
from device.model_store import NoRoomError
from device.transport import Transport
from tests.device.http_stand_in import Asked, StandIn, Told

DATA = bytes(range(256)) * 1000
DIGEST = hashlib.sha256(DATA).hexdigest()


class Shelf:
    """Answers as S3 does, cutting off after so many bytes a request."""

    def __init__(self, cut_after: int = 10**9, data: bytes = DATA) -> None:
        self.cut_after = cut_after
        self.data = data

    def __call__(self, asked: Asked) -> Told:
        headers = {"ETag": '"e"'}
        if asked.headers.get("if-match") not in (None, '"e"'):
            return Told(412, b"")
        start = int(asked.headers.get("range", "bytes=0-")[6:-1])
        return Told(206 if "range" in asked.headers else 200, self.data[start:], headers, self.cut_after)


def place(url: str, **changes: Any) -> Dict[str, Any]:
    return {"url": url, "digest": DIGEST, "bytes": len(DATA), **changes}


def download_to(folder: Path) -> Download:
    return Download(Transport(timeout_s=30), folder, lambda *_: None)


def test_an_archive_comes_whole(tmp_path: Path) -> None:
    with StandIn(Shelf()) as service:
        assert download_to(tmp_path).fetch(place(service.url)).read_bytes() == DATA


def test_what_broke_off_goes_on_where_it_stopped(tmp_path: Path) -> None:
    with StandIn(Shelf(100_000)) as service:
        for _ in range(2):
            with pytest.raises(UnreachableError, match="broke off"):
                download_to(tmp_path).fetch(place(service.url))
        assert download_to(tmp_path).fetch(place(service.url)).read_bytes() == DATA
    ranges = [asked.headers.get("range") for asked in service.asked]
    assert ranges == [None, "bytes=100000-", "bytes=200000-"]
    assert service.asked[1].headers["if-match"] == '"e"'


def test_an_archive_that_changed_in_between_is_fetched_anew(tmp_path: Path) -> None:
    with StandIn(Shelf(100_000)) as service, pytest.raises(UnreachableError):
        download_to(tmp_path).fetch(place(service.url))
    (tmp_path / (DIGEST + ".etag")).write_text('{"etag": "other"}')
    with StandIn(Shelf()) as service:
        with pytest.raises(UnreachableError, match="changed"):
            download_to(tmp_path).fetch(place(service.url))
        assert download_to(tmp_path).fetch(place(service.url)).read_bytes() == DATA


def test_a_server_that_knows_no_ranges_is_read_from_the_beginning(tmp_path: Path) -> None:
    (tmp_path / (DIGEST + ".part")).write_bytes(b"something else")
    with StandIn(lambda _: Told(200, DATA)) as service:
        assert download_to(tmp_path).fetch(place(service.url)).read_bytes() == DATA


def test_another_digest_is_refused_and_forgotten(tmp_path: Path) -> None:
    with StandIn(Shelf(data=DATA[::-1])) as service, pytest.raises(WrongDigestError):
        download_to(tmp_path).fetch(place(service.url))
    assert list(tmp_path.iterdir()) == []


def test_never_more_is_written_than_was_announced(tmp_path: Path) -> None:
    with StandIn(Shelf(data=DATA + b"more" * 1000)) as service:
        assert download_to(tmp_path).fetch(place(service.url)).read_bytes() == DATA


def test_what_is_there_already_is_not_fetched(tmp_path: Path) -> None:
    (tmp_path / (DIGEST + ".part")).write_bytes(DATA)
    assert download_to(tmp_path).fetch(place("https://service.invalid")).read_bytes() == DATA


@pytest.mark.parametrize(("status", "error"), [(403, UnreachableError), (503, BusyError)])
def test_an_expired_address_and_a_busy_place_are_tried_again(tmp_path: Path, status: int, error: type) -> None:
    with StandIn(lambda _: Told(status, b"")) as service, pytest.raises(error):
        download_to(tmp_path).fetch(place(service.url))


def test_room_is_asked_for_before_a_byte_is_fetched(tmp_path: Path) -> None:
    def refuse(more: int, digest: str) -> None:
        raise NoRoomError("full, %d more" % more)

    with StandIn(Shelf()) as service, pytest.raises(NoRoomError, match=str(len(DATA))):
        Download(Transport(), tmp_path, refuse).fetch(place(service.url))
    assert service.asked == []
