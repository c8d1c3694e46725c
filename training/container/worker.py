"""One worker of the serving container: a process with a model of its own, loaded and proved before it listens."""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from cheroot.wsgi import Server

from device.runtime.artifact import ArtifactError, verify
from device.runtime.engines import EngineError
from device.runtime.manifest import ManifestError
from device.runtime.predictor import Predictor
from device.runtime.self_test import SelfTestError
from training.container.invocations import Invocations
from training.container.settings import ServingError, ServingSettings

FIRST_ANSWER_FD = "BINSIGHT_FIRST_ANSWER_FD"
UNUSABLE = 3
BACKLOG = 128
KEEP_ALIVE_S = 75
# SageMaker sends SIGKILL 30 s after SIGTERM, and no invocation may take longer than 60.
STOP_TIMEOUT_S = 20
TAKEN_TIMEOUT_S = 2
TAKEN_POLL_S = 0.01
# The kernel may hand a signal to any thread, and only a main thread that wakes hears of it.
HEARS_EVERY_S = 0.5


def main() -> int:
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; `serve` says when to stop.
    try:
        settings = ServingSettings.from_environment()
        app = Invocations(load(settings.model, settings.engine), first_answer())
        server = listening(settings, app)
    except (ServingError, OSError) as error:
        print(f"serve: {error}", file=sys.stderr, flush=True)
        return UNUSABLE
    threading.Thread(target=server.serve, name="http", daemon=True).start()
    while not stopping.wait(HEARS_EVERY_S):
        continue
    wait_until_taken(server.socket)
    server.stop()
    return 0


def load(folder: Path, engine: str) -> Predictor:
    """One core a worker, so the engine gets one thread. Raises: ServingError."""
    try:
        verify(folder)
        predictor = Predictor.load(folder, engine=engine, threads=1)
        predictor.self_test()
    except (ArtifactError, ManifestError, EngineError, SelfTestError) as error:
        raise ServingError(f"the model in {folder} cannot be served: {error}") from error
    return predictor


def listening(settings: ServingSettings, app: Invocations) -> Server:
    """On the port that all workers share: the kernel deals the connections out. Raises: OSError."""
    server = Server(
        (settings.host, settings.port),
        app,
        numthreads=settings.threads,
        request_queue_size=BACKLOG,
        timeout=KEEP_ALIVE_S,
        shutdown_timeout=STOP_TIMEOUT_S,
        reuse_port=True,
    )
    server.prepare()
    return server


def wait_until_taken(listener: socket.socket) -> None:
    """Until the server has accepted every connection that the kernel made: those that wait at a socket when it closes
    are reset, and the last photos with them."""
    waiting = select.poll()
    waiting.register(listener, select.POLLIN)
    end_s = time.monotonic() + TAKEN_TIMEOUT_S
    while waiting.poll(0) and time.monotonic() < end_s:
        time.sleep(TAKEN_POLL_S)


def first_answer() -> Callable[[], bool]:
    """All workers read the one byte that `serve` left in a pipe: whoever gets it answers the first photo of all."""
    descriptor = int(os.environ.get(FIRST_ANSWER_FD) or "-1")
    if descriptor < 0:
        return lambda: False
    return lambda: os.read(descriptor, 1) != b""


if __name__ == "__main__":
    sys.exit(main())
