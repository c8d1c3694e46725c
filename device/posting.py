"""Empties the outbox into the service, in order, as long as anybody answers."""

from __future__ import annotations

import hashlib
import logging
import random
import threading
import time
from typing import Any, Callable, Dict, Optional

from device.back_off import BackOff
from device.cloud import Cloud
from device.cloud_errors import BusyError, CloudError, RefusedError
from device.frame_spool import FrameSpool, SpooledFrame
from device.outbox import Batch, Outbox
from device.trouble import Trouble
from device.uptime import as_of_now, uptime_s

log = logging.getLogger(__name__)
MAX_EVENTS = 24
# What is wrong with what was sent. Any other refusal (a device that was removed, a key of another kind) is about who
# sends, and may be mended on the other side: what was seen meanwhile waits.
_UNFIT = (400, 413, 422)
IDLE_S = 2.0
FAILURES = (CloudError, OSError, KeyError, TypeError, ValueError)


class Poster:
    """Runs in one thread."""

    def __init__(
        self,
        cloud: Cloud,
        outbox: Outbox,
        frames: FrameSpool,
        idle_s: float = IDLE_S,
        back_off: Optional[BackOff] = None,
        timer: Callable[[], float] = time.monotonic,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._cloud, self._outbox, self._frames, self._idle_s = cloud, outbox, frames, idle_s
        self._back_off = back_off or BackOff(random.Random())
        self._timer, self._clock = timer, clock
        self._limit = MAX_EVENTS
        self._stopping = threading.Event()
        self._trouble = Trouble(log, "events wait on the disk; %s", "events reach the service again")
        # Frames go to another place: that nobody lets them through there must not delay the events.
        self._frames_back_off = BackOff(random.Random())
        self._frames_at_s = 0.0
        self._frames_trouble = Trouble(log, "sampled frames wait on the disk; %s", "sampled frames arrive again")

    def run(self) -> None:
        """Until it is stopped."""
        while not self._stopping.is_set():
            self._stopping.wait(self._step())

    def stop(self) -> None:
        self._stopping.set()

    def _step(self) -> float:
        """Answers how long to wait before the next."""
        self._outbox.sync_when_due()
        try:
            is_busy = self.post_batch()
        except FAILURES as error:
            self._trouble.note(error)
            return self._back_off.pause_s(error)
        self._back_off.succeeded()
        self._trouble.over()
        return 0.0 if is_busy or self._has_sent_frame() else self._idle_s

    def _has_sent_frame(self) -> bool:
        if self._timer() < self._frames_at_s:
            return False
        try:
            is_busy = self.post_frame()
        except FAILURES as error:
            self._frames_trouble.note(error)
            self._frames_at_s = self._timer() + self._frames_back_off.pause_s(error)
            return False
        self._frames_back_off.succeeded()
        self._frames_trouble.over()
        return is_busy

    def post_batch(self) -> bool:
        """False when there was nothing to post. Raises: CloudError."""
        batch = self._outbox.batch(self._limit)
        if batch is None:
            return False
        try:
            now = (self._clock(), uptime_s())
            reply = self._cloud.events(batch.boot, [as_of_now(each, *now) for each in batch.events], batch.dropped)
        except RefusedError as error:
            if error.status not in _UNFIT:
                raise
            self._make_smaller(batch, error)
            return True
        self._limit = MAX_EVENTS
        self._heed(batch, reply)
        return True

    def post_frame(self) -> bool:
        """False when there was none. Raises: CloudError."""
        frame = self._frames.oldest()
        if frame is None:
            return False
        try:
            self._send(frame)
        except RefusedError as error:
            if error.status not in _UNFIT:
                raise
            log.warning("a sampled frame is given up: %s", error)
        self._frames.remove(frame.path)
        return True

    def _send(self, frame: SpooledFrame) -> None:
        data = frame.path.read_bytes()
        document = as_of_now(frame.document, self._clock(), uptime_s())
        announced = {**document, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        self._cloud.send_bytes(self._cloud.announce_frame(announced), data)

    def _heed(self, batch: Batch, reply: Dict[str, Any]) -> None:
        for result in reply.get("results", []):
            if result.get("status") == "refused":
                log.error("event %s is refused: %s", result.get("sequence"), result.get("reason"))
        gaps = [(int(first), int(last)) for first, last in reply.get("gaps", [])]
        acknowledged = int(reply["acknowledged"])
        self._outbox.acknowledge(batch.boot, acknowledged, gaps)
        sent = [int(event["sequence"]) for event in batch.events] + [last for _, last in batch.dropped]
        if not gaps and acknowledged < min(sent):
            # Without a pause the same would be sent again, as fast as the network lets it.
            raise BusyError("the service has taken nothing of what was sent", None)

    def _make_smaller(self, batch: Batch, error: RefusedError) -> None:
        """One event that does not fit must not hold up the rest for ever."""
        if len(batch.events) > 1:
            self._limit = max(1, len(batch.events) // 2)
            return
        log.error("an event is given up: %s", error)
        for event in batch.events:
            self._outbox.give_up(batch.boot, int(event["sequence"]))
        if not batch.events:
            raise error
