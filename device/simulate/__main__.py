"""`python -m device.simulate --url http://127.0.0.1:8000 --code bse_... --cameras 1000 --faults lying=0.05,slow=0.1`.

Enrols the cameras with the fleet's code (POST /fleets/{fleet}/codes), or with an admin's key and --fleet, and lets them
check in until it is interrupted; every few seconds a line says how they stand.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time

from device.simulate import faults
from device.simulate.enrol import EnrolmentError, enrolled, made
from device.simulate.fleet import Fleet
from device.simulate.models import ModelShelf

LINE_EVERY_S = 5.0


def main() -> int:
    options = _options()
    # Ended in either way, it leaves nothing behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    shelf = ModelShelf()
    try:
        shares = faults.parsed(options.faults)
        identities = enrolled(options.url, _key(options), options.fleet, options.cameras)
    except (ValueError, EnrolmentError, OSError) as error:
        print("simulate: %s" % error, file=sys.stderr)
        return 1
    cameras = made(identities, shares, shelf, options.seed, time.time() + options.offline_s)
    fleet = Fleet(options.url, cameras, options.threads, options.speed)
    fleet.start()
    try:
        _watch(fleet, options.seconds)
    except KeyboardInterrupt:
        pass
    finally:
        fleet.stop()
        shelf.close()
    return 0


def _watch(fleet: Fleet, seconds: float) -> None:
    begun_s, before = time.monotonic(), 0
    while seconds == 0 or time.monotonic() - begun_s < seconds:
        time.sleep(LINE_EVERY_S)
        done = fleet.check_ins()
        line = {"check_ins": done, "per_min": round((done - before) * 60 / LINE_EVERY_S), "verdicts": fleet.verdicts()}
        print(json.dumps(dict(line, problems=fleet.problems())), flush=True)
        before = done


def _key(options: argparse.Namespace) -> str:
    """A key on the command line is everybody's who may list processes."""
    key = options.code or os.environ.get("BINSIGHT_ADMIN_KEY") or ""
    if not key:
        raise ValueError("give --code, or BINSIGHT_ADMIN_KEY in the environment together with --fleet")
    return str(key)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m device.simulate", description="A fleet of simulated cameras.")
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--code", help="the fleet's enrolment code")
    parser.add_argument("--fleet", help="with an admin's key in BINSIGHT_ADMIN_KEY")
    parser.add_argument("--cameras", type=int, default=3)
    parser.add_argument("--faults", default="", help="e.g. lying=0.05,slow=0.1; of " + ", ".join(faults.FAULTS))
    parser.add_argument("--offline-s", type=float, default=3600.0, help="how long the offline ones stay away")
    parser.add_argument("--speed", type=float, default=1.0, help="how much faster than told they come again")
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=0.0, help="0: until interrupted")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
