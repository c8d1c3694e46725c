"""Who is blamed for a crash: the model for its own engine's, nobody for a kill -9."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from device.config import example
from device.crash_record import CrashRecord, blames_the_model, gist
from device.model_store import MAX_CRASHES, ModelStore
from device.runtime.engines import EngineError
from device.watchdog import Watchdog
from tests.device.agents import KEY, Made, Running, until
from tests.device.models import RED, plain, png
from tests.device.service_stand_in import Service

ROOT = Path(__file__).parent.parent.parent
ENGINE = '  File "/opt/binsight/device/runtime/engines/onnxruntime_engine.py", line 55 in run'
LOOP = '  File "/opt/binsight/device/frame_loop.py", line 140 in _look_at'
WAITING = '  File "/usr/lib/python3.7/threading.py", line 296 in wait'
TRIAL = '  File "/opt/binsight/device/agent.py", line 104 in try_model'
CAMERA = '  File "/opt/binsight/device/cameras/opencv_camera.py", line 66 in _read'
FATAL = "Fatal Python error: Segmentation fault\n\n"
# The agent with an engine that ends the process after a few answers of the model that is called `second`.
AGENT = """
import signal, sys, threading
from device.__main__ import main
from device.runtime.predictor import Predictor
answered = []
def load(cls, *given, load=Predictor.load.__func__):
    predictor = load(cls, *given)
    run = predictor.engine.run
    def crash(tensor):
        answered.append(1)
        if predictor.manifest.name == "second" and len(answered) > 5:
            signal.pthread_kill(threading.get_ident(), signal.SIGSEGV)
        return run(tensor)
    predictor.engine.run = crash
    return predictor
Predictor.load = classmethod(load)
sys.exit(main([sys.argv[1]]))
"""


def words(*threads: str) -> str:
    return FATAL + "\n\n".join(threads) + "\n"


def current(*frames: str) -> str:
    return "\n".join(["Current thread 0x01 (most recent call first):", *frames])


def other(*frames: str) -> str:
    return "\n".join(["Thread 0x02 (most recent call first):", *frames])


@pytest.mark.parametrize(
    ("said", "is_blamed"),
    [
        (words(other(WAITING), current(ENGINE, LOOP)), True),
        (words(other(ENGINE, LOOP), current(CAMERA)), False),
        # A thread of the engine's own, which Python does not know.
        (words(other(WAITING), other(ENGINE, LOOP)), True),
        (words(other(WAITING), other(LOOP)), False),
        (words(current(ENGINE, TRIAL)), False),
        ("", False),
    ],
)
def test_the_model_is_blamed_for_its_own_engines_crash_only(said: str, is_blamed: bool) -> None:
    assert blames_the_model(said) is is_blamed


def crashed(folder: Path, program: str) -> CrashRecord:
    prelude = "import os, signal, sys\nfrom pathlib import Path\nfrom device.crash_record import CrashRecord\n"
    watching = "record = CrashRecord(Path(sys.argv[1]))\nrecord.watch()\n"
    path = folder / "crash.txt"
    subprocess.run([sys.executable, "-c", prelude + watching + program, str(path)], cwd=str(ROOT), check=False)
    return CrashRecord(path)


@pytest.mark.parametrize("number", ["SIGSEGV", "SIGABRT", "SIGBUS", "SIGILL", "SIGFPE"])
def test_a_process_that_a_signal_ends_leaves_its_last_words(tmp_path: Path, number: str) -> None:
    said = crashed(tmp_path, "os.kill(os.getpid(), signal.%s)" % number).last_words()
    assert "Current thread" in said
    assert gist(said).startswith("Fatal Python error")


def test_a_kill_9_leaves_no_words_and_blames_nobody(tmp_path: Path) -> None:
    assert crashed(tmp_path, "os.kill(os.getpid(), signal.SIGKILL)").last_words() == ""


def test_an_exception_that_ends_a_thread_is_written_down_with_where_it_was(tmp_path: Path) -> None:
    program = "try:\n    [][1]\nexcept IndexError:\n    record.note_exception()"
    said = crashed(tmp_path, program).last_words()
    assert gist(said) == "IndexError: list index out of range"
    assert not blames_the_model(said)


def test_the_next_watch_begins_with_an_empty_page(tmp_path: Path) -> None:
    record = crashed(tmp_path, "os.abort()")
    record.watch()
    record.stop()
    assert record.last_words() == ""


def test_a_confirmed_model_that_begins_to_crash_is_rolled_back_and_named(
    tmp_path: Path, service: Service, first: Made, second: Made
) -> None:
    store = ModelStore(tmp_path / "home" / "models", keep_free_bytes=0)
    good, bad = service.promote(*first), service.promote(*second, deployment="promotion-2")
    for made, digest, deployment in ((first, good, "promotion-1"), (second, bad, "promotion-2")):
        store.stage(made[0], digest)
        store.activate(digest, deployment)
        store.confirm()
    config = agent_json(tmp_path, service.stand_in.url)
    ends = [started(config).wait(60) for _ in range(MAX_CRASHES)]
    assert ends == [-signal.SIGSEGV] * MAX_CRASHES
    last = started(config)
    until(lambda: any(report.get("failure") for report in service.reports))
    heard = len(service.reports)
    until(lambda: len(service.reports) > heard + 3 or last.poll() is not None)
    last.terminate()
    assert last.wait(60) == 0
    told = next(report for report in service.reports if report.get("failure"))
    assert (told["failure"]["code"], told["deployment"], told["digest"]) == ("crash_loop", "promotion-2", good)
    assert "Segmentation fault" in told["failure"]["detail"]
    assert service.reports[-1]["digest"] == good


class Hanging:
    """A GPU that does not come back."""

    def __init__(self) -> None:
        self.is_asked, self.comes_back = threading.Event(), threading.Event()

    def __call__(self, tensor: Any) -> Any:
        self.is_asked.set()
        self.comes_back.wait(120)
        raise EngineError("it came back")


def test_an_engine_that_hangs_is_noticed_and_blamed(tmp_path: Path, service: Service, first: Made) -> None:
    hangs, noticed = Hanging(), threading.Event()
    with Running(tmp_path, service.stand_in.url, factory=first[0]) as running:
        until(lambda: running.loop.predictor)
        running.loop.predictor.engine.run = hangs  # type: ignore[union-attr, method-assign]
        assert hangs.is_asked.wait(60)
        Watchdog(running.loop, noticed.set, 0.01, 0.2).run()
        assert noticed.is_set()
        record = CrashRecord(tmp_path / "crash.txt")
        record.watch()
        record.note_hang()
        record.stop()
        hangs.comes_back.set()
    assert gist(record.last_words()) == "Fatal: the frame loop hangs"
    # The engine of the test stands in this file; another one's stands where engines do.
    assert "test_crash_record.py" in record.last_words()
    assert blames_the_model(record.last_words())


@pytest.mark.parametrize("has_model", [True, False])
def test_a_loop_that_goes_round_is_left_alone(tmp_path: Path, service: Service, first: Made, has_model: bool) -> None:
    noticed = threading.Event()
    with Running(tmp_path, service.stand_in.url, factory=first[0] if has_model else None) as running:
        watchdog = Watchdog(running.loop, noticed.set, 0.01, 20.0)
        thread = threading.Thread(target=watchdog.run)
        thread.start()
        assert not noticed.wait(0.5)
        watchdog.stop()
        thread.join()


def agent_json(folder: Path, url: str) -> Path:
    photos = folder / "photos"
    photos.mkdir()
    (photos / "a.png").write_bytes(png(plain(RED)))
    (folder / "device.key").write_text(KEY)
    document = {**example(url, "kitchen-1"), "camera": {"kind": "folder", "path": "photos", "fps": 50}}
    path = folder / "agent.json"
    path.write_text(json.dumps({**document, "display": None, "keep_free_mb": 0, "threads": 1}))
    return path


def started(config: Path) -> "subprocess.Popen[bytes]":
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, "-c", AGENT, str(config)], cwd=str(ROOT), env=environment)
