"""A child process that is started again when it ends, until its parent stops."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Sequence

RESTART_PAUSE_S = 1.0


class Supervisor:
    def __init__(self, command: Sequence[str], stop_timeout_s: float) -> None:
        self._command = list(command)
        self._stop_timeout_s = stop_timeout_s
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._keep_running, name="supervisor", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """The child is asked to end, and killed when it does not in time; afterwards it is gone."""
        with self._lock:
            self._stopping.set()
            child = self._child
        if child is None:
            return
        child.terminate()
        try:
            child.wait(self._stop_timeout_s)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()

    def _keep_running(self) -> None:
        while self._start_child():
            if self._child is not None:
                self._child.wait()
            self._stopping.wait(RESTART_PAUSE_S)

    def _start_child(self) -> bool:
        with self._lock:
            if self._stopping.is_set():
                return False
            self._child = subprocess.Popen(self._command, stdin=subprocess.DEVNULL)
            return True
