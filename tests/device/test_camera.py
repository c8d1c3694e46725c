"""Cameras by plug-in: frames come RGB and upright, faults are named, a missing library disables one plug-in."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any, List, Tuple

import numpy as np
import pytest

from device.camera import CameraError, CameraUnavailableError, open_camera
from device.cameras.awscam_camera import AwscamCamera
from device.cameras.folder_camera import FolderCamera
from device.cameras.opencv_camera import hidden
from tests.device.models import BLUE, GREEN, RED, jpeg, plain, png


def colors_of(camera: Any, count: int) -> List[Tuple[int, ...]]:
    return [camera.next_frame().getpixel((5, 5)) for _ in range(count)]


def test_a_folder_gives_its_photos_in_order_and_begins_anew(tmp_path: Path) -> None:
    for name, color in (("b.png", GREEN), ("a.png", RED), ("c/d.png", BLUE)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(png(plain(color)))
    (tmp_path / "notes.txt").write_text("no photo")
    camera = open_camera("folder", {"path": str(tmp_path), "fps": 0})
    assert colors_of(camera, 4) == [RED, GREEN, BLUE, RED]


def test_a_folder_that_does_not_loop_ends(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(plain(RED)))
    camera = open_camera("folder", {"path": str(tmp_path), "fps": 0, "loop": False})
    assert camera.next_frame() is not None
    assert camera.next_frame() is None


def test_a_folder_keeps_its_pace(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(plain(RED)))
    pauses: List[float] = []
    camera = FolderCamera.open({"path": str(tmp_path), "fps": 4}, pauses.append)
    camera.next_frame()
    assert pauses == [0.25]


def test_a_damaged_photo_is_left_out_and_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "a.png").write_bytes(png(plain(RED)))
    (tmp_path / "b.jpg").write_bytes(jpeg(plain(RED))[:60])
    (tmp_path / "c.png").write_bytes(png(plain(GREEN)))
    camera = open_camera("folder", {"path": str(tmp_path), "fps": 0})
    assert colors_of(camera, 4) == [RED, GREEN, RED, GREEN]
    assert caplog.text.count("b.jpg is left out") == 1


@pytest.mark.parametrize("loop", [True, False])
def test_a_folder_of_nothing_but_damaged_photos_is_a_fault(tmp_path: Path, loop: bool) -> None:
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).write_bytes(jpeg(plain(RED))[:60])
    camera = open_camera("folder", {"path": str(tmp_path), "fps": 0, "loop": loop})
    with pytest.raises(CameraError, match="none of the 2 photos"):
        camera.next_frame()


def test_an_empty_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(CameraError, match="no photos"):
        open_camera("folder", {"path": str(tmp_path)})


def test_a_deeplens_frame_is_turned_from_bgr_to_rgb_after_a_few_failures(deeplens: Any) -> None:
    deeplens.frames.append(np.full((48, 64, 3), (30, 20, 230), dtype=np.uint8))
    deeplens.failures_left = 3
    camera = AwscamCamera.open({}, lambda _: None)
    assert camera.next_frame().getpixel((5, 5)) == (230, 20, 30)


def test_a_deeplens_frame_that_was_seen_is_not_given_again_at_once(deeplens: Any) -> None:
    pauses: List[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            deeplens.frames[0] = np.full((48, 64, 3), (0, 255, 0), dtype=np.uint8)

    deeplens.frames.append(np.full((48, 64, 3), (0, 0, 255), dtype=np.uint8))
    camera = AwscamCamera.open({}, pause)
    assert colors_of(camera, 2) == [(255, 0, 0), (0, 255, 0)]
    assert len(pauses) == 3
    # A scene without any noise is given all the same, after a second.
    assert colors_of(camera, 1) == [(0, 255, 0)]
    assert sum(pauses) == pytest.approx(1.03)


def test_a_deeplens_that_gives_no_frames_is_a_fault(deeplens: Any) -> None:
    with pytest.raises(CameraError, match="no frame"):
        AwscamCamera.open({}, lambda _: None).next_frame()


def test_without_a_deeplens_its_camera_says_what_is_missing() -> None:
    with pytest.raises(CameraUnavailableError, match="DeepLens"):
        open_camera("awscam", {})


class Capture:
    """OpenCV's VideoCapture, of three frames."""

    def __init__(self, source: Any) -> None:
        self.source, self.left, self.settings = source, 3, {}

    def isOpened(self) -> bool:  # noqa: N802
        return self.source != 9

    def set(self, name: int, value: float) -> None:
        self.settings[name] = value

    def open(self, source: Any) -> None:
        self.left = 3

    def read(self) -> Tuple[bool, Any]:
        self.left -= 1
        return (True, np.full((48, 64, 3), (0, 0, 255), dtype=np.uint8)) if self.left >= 0 else (False, None)

    def release(self) -> None:
        return


@pytest.fixture
def opencv(monkeypatch: pytest.MonkeyPatch) -> None:
    library: Any = types.ModuleType("cv2")
    library.VideoCapture, library.error = Capture, OSError
    library.CAP_PROP_FRAME_WIDTH, library.CAP_PROP_FRAME_HEIGHT, library.CAP_PROP_FPS = 3, 4, 5
    monkeypatch.setitem(sys.modules, "cv2", library)


def test_a_usb_camera_that_is_unplugged_is_a_fault(opencv: None) -> None:
    camera = open_camera("opencv", {"source": 0})
    assert colors_of(camera, 3) == [(255, 0, 0)] * 3
    with pytest.raises(CameraError, match="no frames any more"):
        camera.next_frame()


def test_a_camera_that_is_not_there_is_named(opencv: None) -> None:
    with pytest.raises(CameraError, match="camera 9"):
        open_camera("opencv", {"source": 9})


def test_a_video_ends_or_begins_anew(opencv: None) -> None:
    assert [open_camera("video", {"path": "v"}).next_frame() is None for _ in range(2)] == [False, False]
    once = open_camera("video", {"path": "v"})
    assert [once.next_frame() is None for _ in range(4)] == [False, False, False, True]
    again = open_camera("video", {"path": "v", "loop": True})
    assert [again.next_frame() is None for _ in range(5)] == [False] * 5


def test_a_missing_opencv_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(CameraUnavailableError, match="pip install"):
        open_camera("opencv", {})


def test_a_streams_password_is_hidden() -> None:
    assert hidden("rtsp://admin:secret@camera.local/1") == "rtsp://camera.local/1"


def test_awscam_is_imported_before_opencv(deeplens: Any, opencv: None) -> None:
    """The fake refuses, as the real one does, when cv2 was there first."""
    assert open_camera("opencv", {"source": 0}).next_frame() is not None
    sys.modules.pop("awscam")
    with pytest.raises(CameraUnavailableError, match="undefined symbol"):
        open_camera("awscam", {})
