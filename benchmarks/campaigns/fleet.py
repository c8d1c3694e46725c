"""Promotions to simulated cameras: who is proved, who is named, how much is written, and how fast it is taken back.

    python -m benchmarks.campaigns.fleet --out build/fleet.json [--cameras 10000] [--registered 1000000]

A check-in is one request of a camera that the service answered: for its target, or a report. Cameras and service share
this machine.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.campaigns.fleet_kills import measure_kills
from benchmarks.campaigns.fleet_promotion import measure_promotion
from benchmarks.campaigns.fleet_revert import measure_revert
from benchmarks.campaigns.fleet_waves import measure_waves


def main() -> int:
    options = _options()
    figures: dict[str, Any] = {"cores": os.cpu_count(), "load_before": os.getloadavg()[0]}
    parts: dict[str, Callable[[], dict[str, Any]]] = {
        "promotion": lambda: measure_promotion(options.cameras, options.heartbeat_s),
        "revert": lambda: measure_revert(options.online),
        "waves": lambda: measure_waves(10, options.registered),
        "kills": lambda: measure_kills(options.kills),
    }
    for name in options.only or parts:
        begun_s = time.monotonic()
        figures[name] = {**parts[name](), "took_s": round(time.monotonic() - begun_s, 1)}
        print(json.dumps({name: figures[name]}), flush=True)
    figures |= {**_headlines(figures), "load_after": os.getloadavg()[0]}
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(figures, indent=2) + "\n")
    return 0


def _headlines(figures: dict[str, Any]) -> dict[str, Any]:
    """The figures that the issue names, at the top."""
    promotion = figures.get("promotion", {})
    names = (
        *("cameras", "false_verified", "liars", "liars_named", "counters_equal_recount", "checkins_per_min"),
        *("writes_per_device", "most_transitions", "wall_s"),
    )
    return {name: promotion[name] for name in names if name in promotion}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.campaigns.fleet")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--cameras", type=int, default=10_000)
    parser.add_argument("--online", type=int, default=1_000, help="cameras of the fleet that is taken back")
    parser.add_argument("--registered", type=int, default=1_000_000, help="devices of the larger fleet")
    parser.add_argument("--kills", type=int, default=28)
    parser.add_argument("--heartbeat-s", type=float, default=60.0, help="how long check-ins are counted at rest")
    parser.add_argument("--only", action="append", choices=("promotion", "revert", "waves", "kills"))
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
