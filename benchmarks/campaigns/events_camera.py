"""The camera's side of the events campaign: its outbox and its poster, and events as fast as it is told.

    python -m benchmarks.campaigns.events_camera <home> <service URL> <device> <key file> <events> <events a second>

Every number that the outbox gave is written to `numbered.log` after it was given: what stands there must not get lost.
"""

from __future__ import annotations

import os
import random
import sys
import threading
import time
import uuid
from pathlib import Path

from device.back_off import BackOff
from device.cloud import Cloud
from device.frame_spool import FrameSpool
from device.outbox import Outbox
from device.posting import Poster
from device.transport import Transport

RESULT = {"label": "compost", "confidence": 0.93, "unknown": False, "reasons": []}


def main(home: Path, url: str, device: str, key_file: Path, events: int, rate_per_s: float) -> None:
    boot = uuid.uuid4().hex
    spool = FrameSpool(home / "frames", 1024)
    outbox = Outbox(home / "events", boot, spool)
    cloud = Cloud(url, device, key_file.read_text().strip(), Transport(timeout_s=10.0))
    poster = Poster(cloud, outbox, spool, 0.05, BackOff(random.Random(), 0.05, 0.4))
    threading.Thread(target=poster.run, daemon=True).start()
    log = os.open(home / "numbered.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    left = events - (home / "numbered.log").read_bytes().count(b"\n")
    for _ in range(left):
        number = outbox.append({"captured_at_s": time.time(), "model": None, "task": "classify", "result": RESULT})
        os.write(log, f"{boot} {number}\n".encode())
        time.sleep(1 / rate_per_s)
    while outbox.batch(1) is not None:
        time.sleep(0.1)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], Path(sys.argv[4]), int(sys.argv[5]), float(sys.argv[6]))
