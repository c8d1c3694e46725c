"""The embedded mode's timer and trainer: a child of the server, of which the lease lets only one be at work.

`python -m chalicelib.scheduler`. On AWS, schedules and events call the same use cases (app.py).
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from typing import cast

from chalicelib.adapters.embedded.folder_blobs import FolderBlobs
from chalicelib.adapters.embedded.sqlite_store import SqliteStore
from chalicelib.adapters.embedded.sweeper import Sweeper
from chalicelib.adapters.embedded.trainer import Trainer
from chalicelib.api.observation import configure_logging
from chalicelib.bootstrap import embedded_trainer, make_services, new_id
from chalicelib.config import SettingsError, from_environment
from chalicelib.domain.errors import BinsightError
from chalicelib.services.lease import Lease
from chalicelib.services.suite import Services

LOGGER = logging.getLogger(__name__)
LEASE_S = 10.0
RENEW_S = 2.0
PUMP_S = 0.25
TICK_S = 1.0
SWEEP_S = 60.0


def run(
    services: Services, trainer: Trainer, sweeper: Sweeper, lease: Lease, stopping: threading.Event, parent: int
) -> None:
    """Until `stopping` is set or the parent is gone."""
    renewed_s, ticked_s, swept_s = 0.0, 0.0, 0.0
    while not stopping.wait(PUMP_S) and os.getppid() == parent:
        now_s = time.monotonic()
        try:
            if now_s - renewed_s >= RENEW_S:
                lease.acquire()
                renewed_s = now_s
            if lease.token == 0:
                continue
            trainer.pump(lease.token)
            if now_s - ticked_s >= TICK_S:
                services.tick()
                ticked_s = now_s
            if now_s - swept_s >= SWEEP_S:
                sweeper.sweep(time.time())
                swept_s = now_s
        except (BinsightError, OSError) as error:
            LOGGER.warning("the timer goes on after: %s", error)
    if stopping.is_set():
        trainer.stop()
    lease.release()


def main(arguments: Sequence[str]) -> int:
    """`arguments`: the server's process id, which may be gone before this program has begun."""
    parent = int(arguments[0]) if arguments else os.getppid()
    configure_logging()
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    try:
        settings = from_environment()
        services = make_services(settings)
        lease = Lease(services.models.store, time.time, "scheduler", new_id(), LEASE_S)
        sweeper = Sweeper(cast(SqliteStore, services.models.store), cast(FolderBlobs, services.uploads.blobs))
        run(services, embedded_trainer(settings), sweeper, lease, stopping, parent)
    except (SettingsError, BinsightError, OSError) as error:
        print(f"binsight: the scheduler ends: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
