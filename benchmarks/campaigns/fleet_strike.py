"""SIGKILL for processes once a store shows the next promotion in a state; a program of its own, so as to be quick.

    python -m benchmarks.campaigns.fleet_strike state.sqlite wave <id of the promotion before, or -> <pid> ...

It says `ready` when it watches, and strikes also when the state has been passed over.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import sys
import time

STEPS = ("pending", "proving_endpoint", "canary", "endpoint_live", "wave", "paused", "reverting")
TIMEOUT_S = 120.0
NEWEST = "SELECT body FROM records WHERE index1_partition = 'DEPLOYMENTS' ORDER BY index1_sort DESC LIMIT 1"


def main(path: str, step: str, before: str, *victims: str) -> int:
    """0 when it struck."""
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)
    print("ready", flush=True)
    until_s = time.monotonic() + TIMEOUT_S
    while time.monotonic() < until_s:
        row = connection.execute(NEWEST).fetchone()
        if row and _is_there(json.loads(row[0]), step, before):
            for victim in victims:
                os.kill(int(victim), signal.SIGKILL)
            return 0
    return 1


def _is_there(body: dict[str, str], step: str, before: str) -> bool:
    """At the state or beyond it."""
    if body["id"] == before:
        return False
    return body["state"] not in STEPS or STEPS.index(body["state"]) >= STEPS.index(step)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
