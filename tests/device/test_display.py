"""The display: what was seen, drawn, for whoever looks; and nobody who looks can hold up the loop."""

from __future__ import annotations

import http.client
import io
import os
import threading
import time
from pathlib import Path
from typing import Any, Iterator

import pytest
from PIL import Image

from device.config import DisplayConfig
from device.display import Display, Fifo
from device.drawing import caption, drawn
from tests.device.agents import until
from tests.device.models import RED, banknotes, plain
from tests.device.seen import Watched


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> Watched:
    return Watched(tmp_path_factory.mktemp("display") / "model", "detect")


@pytest.fixture
def display() -> Iterator[Display]:
    made = Display(DisplayConfig(port=0))
    yield made
    made.stop()


def first_picture(stream: Any) -> Image.Image:
    length = 0
    while True:
        line = stream.readline().strip()
        if line.startswith(b"Content-Length"):
            length = int(line.split(b":")[1])
        if not line and length:
            return Image.open(io.BytesIO(stream.read(length)))


def test_boxes_are_drawn_where_the_objects_are(detector: Watched) -> None:
    picture = drawn(detector.seen(banknotes()), 160)
    edge, inside = picture.getpixel((40, 20)), picture.getpixel((60, 30))
    assert edge != (230, 20, 20)
    assert inside == (230, 20, 20)


def test_the_caption_says_how_many_and_their_worth(detector: Watched) -> None:
    assert caption(detector.seen(banknotes())) == "1 x 1000, 1 x 2000  sum 3000"


def test_labels_have_the_manifests_colours(tmp_path: Path) -> None:
    labels = [{"name": name, "color": [0, 250, 250], "value": None} for name in ("landfill", "compost", "recycling")]
    picture = drawn(Watched(tmp_path / "model", labels=labels).seen(plain(RED, (200, 100))), 640)
    # Letters have soft edges in newer versions of Pillow.
    assert any(red < 40 and min(green, blue) > 210 for _, (red, green, blue) in picture.getcolors(100_000))


def test_letters_that_pillow_cannot_draw_do_no_harm(tmp_path: Path) -> None:
    labels = [{"name": name, "color": None, "value": None} for name in ("可回收", "b", "c")]
    thresholds = {"可回收": 0.5, "b": 0.5, "c": 0.5}
    decision = {"temperature": 1.0, "thresholds": thresholds, "ambiguous_margin": 0.1, "trained_range": None}
    assert drawn(Watched(tmp_path / "model", labels=labels, decision=decision).seen(plain(RED)), 64).size == (64, 64)


def test_a_looker_gets_pictures_over_http(display: Display, detector: Watched) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", display.port or 0, timeout=60)
    connection.request("GET", "/")
    response = connection.getresponse()
    assert "multipart/x-mixed-replace" in str(response.getheader("Content-Type"))
    until(lambda: display._lookers == 1)
    display(detector.seen(banknotes()))
    assert first_picture(response).size == (160, 160)
    connection.close()
    response.close()


def test_a_looker_is_let_go_when_the_camera_stops(detector: Watched) -> None:
    display = Display(DisplayConfig(port=0))
    connection = http.client.HTTPConnection("127.0.0.1", display.port or 0, timeout=60)
    connection.request("GET", "/")
    response = connection.getresponse()
    until(lambda: display._lookers == 1)
    display.stop()
    assert response.read() == b""
    until(lambda: display._lookers == 0)
    connection.close()


def test_nothing_is_drawn_while_nobody_looks(display: Display, detector: Watched) -> None:
    display(detector.seen(banknotes()))
    time.sleep(0.05)
    assert display.next_jpeg(0, 0) == (0, b"")


def test_a_fifo_without_a_reader_holds_up_nobody(tmp_path: Path, detector: Watched) -> None:
    display = Display(DisplayConfig(port=None, fifo=str(tmp_path / "results.mjpeg")))
    started = time.monotonic()
    for _ in range(100):
        display(detector.seen(banknotes()))
    display.stop()
    assert time.monotonic() - started < 60
    assert display.next_jpeg(0, 0) == (0, b"")


def test_a_reader_of_the_fifo_gets_pictures(tmp_path: Path, detector: Watched) -> None:
    path = tmp_path / "results.mjpeg"
    display = Display(DisplayConfig(port=None, fifo=str(path)))
    found = []

    def read() -> None:
        with path.open("rb") as stream:
            found.append(stream.read(3))

    reader = threading.Thread(target=read)
    reader.start()
    while reader.is_alive():
        display(detector.seen(banknotes()))
        time.sleep(0.01)
    display.stop()
    assert found == [b"\xff\xd8\xff"]


def test_a_reader_that_falls_asleep_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("device.display._READER_SLOW_S", 0.05)
    path = tmp_path / "pipe"
    fifo = Fifo(path)
    reader = os.open(str(path), os.O_RDONLY | os.O_NONBLOCK)
    fifo.write(bytes(10_000_000))
    assert fifo._descriptor is None
    os.close(reader)


def test_a_file_in_the_place_of_the_fifo_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "results.mjpeg").write_text("mine")
    with pytest.raises(OSError, match="another file"):
        Display(DisplayConfig(port=None, fifo=str(tmp_path / "results.mjpeg")))
