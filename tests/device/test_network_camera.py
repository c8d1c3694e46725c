"""OpenCV itself on a stream over the network: the project's own MJPEG stream, cut and back again."""

from __future__ import annotations

import random
import threading
import time
from pathlib import Path
from typing import Any, Iterator, List

import pytest

from device.back_off import BackOff
from device.camera import CameraError, open_camera
from device.config import DisplayConfig
from device.display import Display
from device.frame_source import FrameSource
from tests.device.agents import until
from tests.device.models import BLUE, RED, plain
from tests.device.seen import Watched

pytest.importorskip("cv2", reason="OpenCV is not installed here")


class Sender:
    """A camera of the network: ten frames a second, of one colour."""

    def __init__(self, model: Watched, color: Any, port: int = 0) -> None:
        self._display = Display(DisplayConfig(port=port, width_px=640))
        self._seen = model.seen(plain(color, (320, 240)))
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._send, daemon=True)
        self._thread.start()
        self.port = int(self._display.port or 0)
        self.url = "http://127.0.0.1:%d/stream.mjpg" % self.port

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()
        self._display.stop()

    def _send(self) -> None:
        while not self._stopping.wait(0.1):
            self._display(self._seen)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Watched:
    return Watched(tmp_path_factory.mktemp("model") / "model")


@pytest.fixture
def sender(model: Watched) -> Iterator[Sender]:
    made = Sender(model, RED)
    yield made
    made.stop()


def corner_of(image: Any) -> Any:
    """Where nothing is drawn; the stream's JPEGs are not exact."""
    return image.getpixel((image.width - 5, image.height - 5))


def is_like(found: Any, wanted: Any) -> bool:
    return all(abs(one - other) < 12 for one, other in zip(found, wanted))


def test_frames_of_an_mjpeg_stream_come_in_size_and_colour(sender: Sender) -> None:
    camera = open_camera("opencv", {"source": sender.url})
    try:
        image = camera.next_frame()
    finally:
        camera.close()
    assert image is not None
    assert (image.mode, image.size) == ("RGB", (320, 240))
    assert is_like(corner_of(image), RED)


def test_a_stream_that_nobody_serves_is_named_without_its_password() -> None:
    with pytest.raises(CameraError, match=r"http://127\.0\.0\.1:9/x\.mjpg cannot be opened") as caught:
        open_camera("opencv", {"source": "http://user:secret@127.0.0.1:9/x.mjpg"})
    assert "secret" not in str(caught.value)


def test_a_stream_that_breaks_off_is_opened_again_when_it_is_back(model: Watched) -> None:
    sender = Sender(model, RED)
    source = FrameSource(lambda: open_camera("opencv", {"source": sender.url}), BackOff(random.Random(1), 0.05, 0.2))
    colors: List[Any] = []

    def take() -> None:
        frame = source.take()
        if frame is not None:
            colors.append(corner_of(frame.image))

    source.start(take, lambda image: None)
    try:
        until(lambda: colors)
        sender.stop()
        until(lambda: source.fault)
        time.sleep(0.3)
        sender = Sender(model, BLUE, sender.port)
        until(lambda: is_like(colors[-1], BLUE) and not source.fault)
    finally:
        source.stop()
        sender.stop()


def test_a_video_file_is_read_to_its_end(tmp_path: Path) -> None:
    cv2: Any = pytest.importorskip("cv2")
    numpy: Any = pytest.importorskip("numpy")
    path = str(tmp_path / "clip.avi")
    writer = cv2.VideoWriter(path, cv2.VideoWriter_fourcc(*"MJPG"), 10.0, (64, 48))
    if not writer.isOpened():
        pytest.skip("this OpenCV writes no video")
    for _ in range(5):
        writer.write(numpy.full((48, 64, 3), RED[::-1], dtype=numpy.uint8))
    writer.release()
    camera = open_camera("video", {"path": path})
    frames = list(iter(camera.next_frame, None))
    camera.close()
    assert len(frames) == 5
    assert is_like(corner_of(frames[0]), RED)
