"""What happened, for machines nearby: `{"object": label}`, the form that the Raspberry Pi sorter reads. JSON only."""

from __future__ import annotations

import json
import logging
import threading
from collections import deque
from pathlib import Path
from typing import Any, Deque

from device.config import MqttConfig
from device.consensus import object_of
from device.frame_loop import Seen
from device.trouble import Trouble

log = logging.getLogger(__name__)
_HINT = "install it with: pip install paho-mqtt==2.1.0"
# While the broker is away the newest of these wait; older ones are of no use to a sorter.
_MAX_QUEUED = 100


class MqttUnavailableError(RuntimeError):
    """The library is missing: the message says what to do."""


class MqttOutput:
    """Listens to events. Connects by itself, again and again; publishing never waits."""

    def __init__(self, config: MqttConfig, client_id: str) -> None:
        """Raises: MqttUnavailableError, OSError when a file cannot be read."""
        self._topic = config.topic
        # The library's own queue would keep the oldest, and refuse the newest.
        self._waiting: Deque[str] = deque(maxlen=_MAX_QUEUED)
        self._lock = threading.Lock()
        self._trouble = Trouble(log, "the MQTT broker refuses: %s", "the MQTT broker takes messages")
        self._is_connected = self._is_sending = False
        self._client = make_client(config, client_id)
        self._client.on_connect = self._connected
        self._client.on_disconnect = self._disconnected
        self._client.on_publish = self._sent
        self._client.connect_async(config.host, config.port)
        self._client.loop_start()

    def __call__(self, seen: Seen) -> None:
        with self._lock:
            self._waiting.append(json.dumps({"object": object_of(seen)}))
        self._send_next()

    def stop(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _send_next(self) -> None:
        """One at a time, in order; one that is on its way when the connection breaks the library sends again."""
        with self._lock:
            if not self._is_connected or self._is_sending or not self._waiting:
                return
            self._is_sending, message = True, self._waiting.popleft()
        # Not under the lock: the library calls back under one of its own, which it takes here too.
        self._client.publish(self._topic, message, qos=1)

    def _connected(self, client: Any, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        if reason.is_failure:
            self._trouble.note(reason)
            return
        self._trouble.over()
        self._is_connected = True
        self._send_next()

    def _disconnected(self, client: Any, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        self._is_connected = False

    def _sent(self, client: Any, userdata: Any, message: Any, reason: Any, properties: Any) -> None:
        self._is_sending = False
        self._send_next()


def make_client(config: MqttConfig, client_id: str) -> Any:
    """Raises: MqttUnavailableError, OSError."""
    try:
        from paho.mqtt import client as mqtt
        from paho.mqtt.enums import CallbackAPIVersion
    except ImportError as error:
        raise MqttUnavailableError("paho-mqtt cannot be loaded (%s); %s" % (error, _HINT)) from error
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=client_id)
    if config.ca_file:
        client.tls_set(ca_certs=config.ca_file)
    if config.user:
        password = Path(config.password_file).read_text(encoding="utf-8").strip() if config.password_file else None
        client.username_pw_set(config.user, password)
    client.reconnect_delay_set(1, 60)
    return client
