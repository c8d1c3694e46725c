"""For a Raspberry Pi with a Sense HAT: a letter for what the camera has seen, a second long.

`python -m device.sense_hat_display --host broker.local [--port 1883] [--topic deeplens/trash/infer]`, and `--ca-file`,
`--user`, `--password-file` for a broker that asks for them.
"""

from __future__ import annotations

import argparse
import importlib
import json
import logging
import signal
import sys
import threading
import time
from typing import Any, Dict, List, Optional, Sequence, Tuple

from device.config import MqttConfig
from device.mqtt_output import MqttUnavailableError, make_client
from device.trouble import Trouble

log = logging.getLogger(__name__)
SHOWN_S = 1.0
_PAUSE_S = 1.0
Color = Tuple[int, int, int]
Letter = Tuple[Tuple[str, ...], Color]
_OTHER = "?"
_NAMES = {"compost": "C", "recycling": "R", "recycle": "R", "landfill": "L"}
_LETTERS: Dict[str, Letter] = {
    "C": (
        (
            "........",
            "..####..",
            ".##..##.",
            ".##.....",
            ".##.....",
            ".##..##.",
            "..####..",
            "........",
        ),
        (0, 255, 0),
    ),
    "R": (
        (
            "........",
            ".#####..",
            ".##..##.",
            ".##..##.",
            ".#####..",
            ".##.##..",
            ".##..##.",
            "........",
        ),
        (0, 0, 255),
    ),
    "L": (
        (
            "........",
            ".##.....",
            ".##.....",
            ".##.....",
            ".##.....",
            ".##.....",
            ".######.",
            "........",
        ),
        (255, 0, 0),
    ),
    "?": (
        (
            "..####..",
            ".##..##.",
            ".....##.",
            "....##..",
            "...##...",
            "........",
            "...##...",
            "........",
        ),
        (255, 103, 0),
    ),
}


def letter_of(payload: bytes) -> Optional[str]:
    """C, R, L or ?; None for what is no message of ours."""
    try:
        document = json.loads(payload)
    except ValueError:
        return None
    if not isinstance(document, dict) or not isinstance(document.get("object"), str):
        return None
    return _NAMES.get(document["object"].strip().lower(), _OTHER)


def pixels_of(letter: str) -> List[List[int]]:
    """64 colours, row by row."""
    rows, color = _LETTERS[letter]
    return [list(color) if mark == "#" else [0, 0, 0] for row in rows for mark in row]


class SenseHatDisplay:
    def __init__(self, hat: Any, config: MqttConfig, shown_s: float = SHOWN_S) -> None:
        """Raises: MqttUnavailableError."""
        self._hat, self._topic, self._shown_s = hat, config.topic, shown_s
        self._until_s = 0.0
        self._is_refused = False
        self._trouble = Trouble(log, "the broker cannot be used: %s", "the broker is there")
        self.is_subscribed = threading.Event()
        self._client = make_client(config, "")
        self._client.on_connect = self._subscribe
        self._client.on_subscribe = lambda *_: self.is_subscribed.set()
        self._client.on_message = self._show
        # The broker may come up later than this program.
        self._client.connect_async(config.host, config.port)

    def run(self, should_stop: threading.Event) -> None:
        """Until it is to stop; dark afterwards."""
        while not should_stop.is_set():
            if self._client.loop(0.1) != 0:
                self._come_back(should_stop)
            if self._until_s and time.monotonic() >= self._until_s:
                self._go_dark()
        self._go_dark()
        self._client.disconnect()

    def _go_dark(self) -> None:
        self._until_s = 0.0
        self._hat.clear()

    def _come_back(self, should_stop: threading.Event) -> None:
        if self._until_s:
            # Connecting may take seconds, and no letter is shown longer for it.
            should_stop.wait(0.02)
            return
        if self._is_refused:
            self._is_refused = False
            should_stop.wait(_PAUSE_S)
        try:
            self._client.reconnect()
        except OSError as error:
            self._trouble.note(error)
            should_stop.wait(_PAUSE_S)

    def _subscribe(self, client: Any, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        if reason.is_failure:
            self._is_refused = True
            self._trouble.note("it refuses: %s" % reason)
            return
        self._trouble.over()
        client.subscribe(self._topic, qos=1)

    def _show(self, client: Any, userdata: Any, message: Any) -> None:
        letter = letter_of(message.payload)
        if letter is None:
            log.warning('a message that is not {"object": label} on %s', message.topic)
            return
        self._hat.set_pixels(pixels_of(letter))
        self._until_s = time.monotonic() + self._shown_s


def main(arguments: Optional[Sequence[str]] = None) -> int:
    parser = argparse.ArgumentParser(description="Shows on a Sense HAT what the camera has seen.")
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, default=1883)
    parser.add_argument("--topic", default=MqttConfig.topic)
    parser.add_argument("--ca-file", help="of a broker that speaks TLS")
    parser.add_argument("--user")
    parser.add_argument("--password-file")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    try:
        hat = importlib.import_module("sense_hat").SenseHat()
        SenseHatDisplay(hat, MqttConfig(**vars(options))).run(stopping)
    except ImportError as error:
        print("sense_hat cannot be loaded (%s); install it with: apt-get install sense-hat" % error, file=sys.stderr)
        return 1
    except (MqttUnavailableError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
