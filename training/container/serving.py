"""`serve`: SageMaker's serving program. Starts one worker a core, starts those that crash again, ends with all of them.

It loads neither the model nor an engine itself, so that a crash in native code costs one worker and not the container.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from training.container.settings import ServingError, ServingSettings
from training.container.worker import FIRST_ANSWER_FD, STOP_TIMEOUT_S, TAKEN_TIMEOUT_S, UNUSABLE

PROGRAM_ROOT = Path(__file__).resolve().parents[2]
POLL_S = 0.1
RESTART_PAUSE_S = 1.0
GRACE_S = TAKEN_TIMEOUT_S + STOP_TIMEOUT_S + 2


@dataclass
class Workers:
    count: int
    first_answer: int
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def fill(self) -> None:
        """As many as there should be. Raises: ServingError, when the model is at fault and starting again is no use."""
        ended = [worker for worker in self.running if worker.poll() is not None]
        if any(worker.returncode == UNUSABLE for worker in ended):
            raise ServingError("a worker cannot serve the model; its message stands above")
        if ended:
            codes = ", ".join(str(worker.returncode) for worker in ended)
            print(f"serve: workers ended with code {codes} and are started again", file=sys.stderr, flush=True)
            time.sleep(RESTART_PAUSE_S)
        self.running = [worker for worker in self.running if worker not in ended]
        while len(self.running) < self.count:
            self.running.append(self._start())

    def stop(self) -> None:
        """Requests under way are answered first."""
        for worker in self.running:
            worker.terminate()
        end_s = time.monotonic() + GRACE_S
        for worker in self.running:
            try:
                worker.wait(max(0.0, end_s - time.monotonic()))
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()

    def _start(self) -> subprocess.Popen[bytes]:
        # One core a worker: no library may start a pool of threads as large as the machine.
        environment = {**os.environ, "OMP_NUM_THREADS": "1", FIRST_ANSWER_FD: str(self.first_answer)}
        return subprocess.Popen(
            [sys.executable, "-m", "training.container.worker"],
            cwd=PROGRAM_ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            pass_fds=(self.first_answer,),
        )


def main() -> int:
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    try:
        settings = ServingSettings.from_environment()
    except ServingError as error:
        return _fail(error)
    workers = Workers(settings.workers, one_byte())
    print(f"serve: {settings.workers} workers on port {settings.port}", flush=True)
    try:
        while not stopping.is_set():
            workers.fill()
            stopping.wait(POLL_S)
    except ServingError as error:
        return _fail(error)
    finally:
        workers.stop()
    return 0


def one_byte() -> int:
    """A pipe with one byte in it and nobody to write another: reading never waits."""
    reading, writing = os.pipe()
    os.write(writing, b"1")
    os.close(writing)
    return reading


def _fail(error: ServingError) -> int:
    print(f"serve: {error}", file=sys.stderr, flush=True)
    return 1


if __name__ == "__main__":
    sys.exit(main())
