"""What happened, for machines nearby: `{"object": label}`, the form that the Raspberry Pi sorter reads. JSON only."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

from device.config import MqttConfig
from device.consensus import object_of
from device.frame_loop import Seen

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
        self._client = make_client(config, client_id)
        self._client.max_queued_messages_set(_MAX_QUEUED)
        # One at a time: what is said while the connection is made would else overtake what was said before it.
        self._client.max_inflight_messages_set(1)
        self._client.connect_async(config.host, config.port)
        self._client.loop_start()

    def __call__(self, seen: Seen) -> None:
        self._client.publish(self._topic, json.dumps({"object": object_of(seen)}), qos=1)

    def stop(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


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
    client.on_connect = _told_connected
    return client


def _told_connected(client: Any, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
    if reason.is_failure:
        log.warning("the MQTT broker refuses: %s", reason)
