"""Many cameras, a few threads: whoever is due next checks in next."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from typing import Callable, Dict, Iterable, List, Optional, Sequence, Tuple

from device.simulate.camera import Camera
from device.simulate.connection import Connection

RETRY_S = 1.0
IDLE_S = 0.05
Due = Tuple[float, int, Camera]


class Fleet:
    """Runs until `stop`. `speed`: how much faster than told the cameras come again; None: at once."""

    def __init__(self, url: str, cameras: Sequence[Camera], threads: int = 8, speed: Optional[float] = 1.0) -> None:
        self.cameras = list(cameras)
        self._url = url
        self._speed = speed
        self._numbers = itertools.count()
        self._due: List[Due] = []
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(threads)]

    def start(self) -> None:
        now_s = time.monotonic()
        self._due = [(now_s, next(self._numbers), camera) for camera in self.cameras]
        heapq.heapify(self._due)
        for thread in self._threads:
            thread.start()

    def set_speed(self, speed: Optional[float]) -> None:
        """From each camera's next check on."""
        self._speed = speed

    def stop(self) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def wait_until(self, is_done: Callable[[], bool], timeout_s: float, every_s: float = 0.2) -> bool:
        """Whether it came true in time."""
        until_s = time.monotonic() + timeout_s
        while time.monotonic() < until_s:
            if is_done():
                return True
            time.sleep(every_s)
        return is_done()

    def check_ins(self) -> int:
        """Requests for the target and reports, as far as they were answered."""
        return sum(camera.tally.checks + camera.tally.reports for camera in self.cameras)

    def problems(self) -> Dict[str, int]:
        return summed(camera.tally.problems for camera in self.cameras)

    def verdicts(self) -> Dict[str, int]:
        """What the cameras were told last."""
        return summed({camera.verdict: 1} for camera in self.cameras if camera.verdict)

    def _run(self) -> None:
        api = Connection(self._url)
        while not self._stopping.is_set():
            due = self._next()
            if due is None:
                self._stopping.wait(IDLE_S)
                continue
            self._step(due, api)
        api.close()

    def _next(self) -> Optional[Camera]:
        with self._lock:
            if self._due and self._due[0][0] <= time.monotonic():
                return heapq.heappop(self._due)[2]
        return None

    def _step(self, camera: Camera, api: Connection) -> None:
        try:
            wait_s = camera.step(api)
        except OSError:
            wait_s = RETRY_S
        if wait_s < 0:
            return
        if self._speed is None:
            wait_s = 0.0
        else:
            wait_s /= self._speed
        with self._lock:
            heapq.heappush(self._due, (time.monotonic() + wait_s, next(self._numbers), camera))


def summed(counts: Iterable[Dict[str, int]]) -> Dict[str, int]:
    total: Dict[str, int] = {}
    for each in counts:
        for name, amount in each.items():
            total[name] = total.get(name, 0) + amount
    return total
