"""The DeepLens' entry: the camera's own GPU through awscam, under systemd, or as a Greengrass lambda of old.

`python3.7 -m device.lambda_function` is what the systemd unit runs. AWS no longer deploys to these cameras; for those
who still run Greengrass, importing this module begins the loop (a long-lived lambda); `lambda_handler` is never called.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import sys
import threading
from pathlib import Path
from typing import Any, Callable, Optional

from device.camera import CameraError
from device.config import ConfigError, read_config
from device.consensus import object_of
from device.frame_loop import Seen
from device.runtime.engines import EngineUnavailableError
from device.station import Station, run_until_stopped

log = logging.getLogger(__name__)
CONFIG = Path(os.environ.get("BINSIGHT_AGENT", "/etc/binsight/agent.json"))


def greengrass_output() -> Optional[Callable[[Seen], None]]:
    """Publishes `{"object": label}` to the thing's own topic; None where there is no Greengrass."""
    thing = os.environ.get("AWS_IOT_THING_NAME")
    if thing is None:
        return None
    try:
        client = importlib.import_module("greengrasssdk").client("iot-data")
    except ImportError:
        return None
    topic = "$aws/things/%s/infer" % thing

    def publish(seen: Seen) -> None:
        # Keyword arguments only; and JSON only, also for what is no result.
        client.publish(topic=topic, payload=json.dumps({"object": object_of(seen)}))

    return publish


def start_for_greengrass(config: Path = CONFIG, end: Callable[[int], Any] = os._exit) -> Station:
    """Begins the loop in threads of its own. Raises: ConfigError, OSError.

    end: called with 1 when one of them has crashed: Greengrass starts a lambda again that ends.
    """
    output = greengrass_output()
    station = Station(read_config(config), (output,) if output else ())
    station.crashes.watch()

    def wait_for_a_crash() -> None:
        station.crashed.wait()
        station.stop()
        end(1)

    threading.Thread(target=wait_for_a_crash, name="greengrass", daemon=True).start()
    station.start()
    return station


def lambda_handler(event: Any, context: Any) -> None:
    """Greengrass wants one; the loop runs without it."""


def main() -> int:
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(threadName)s %(message)s")
    try:
        # awscam before anything imports cv2: afterwards its import fails with an undefined symbol.
        importlib.import_module("awscam")
    except (ImportError, OSError) as error:
        print(
            "awscam cannot be loaded (%s); on other machines use: python -m device agent.json" % error, file=sys.stderr
        )
        return 1
    try:
        return 0 if run_until_stopped(read_config(CONFIG)) else 1
    except (ConfigError, CameraError, EngineUnavailableError, OSError) as error:
        print("device: %s" % error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
elif os.environ.get("AWS_CONTAINER_AUTHORIZATION_TOKEN") and threading.current_thread() is threading.main_thread():
    # Greengrass' runtime sets it for the lambdas that it starts.
    STATION = start_for_greengrass()
