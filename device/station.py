"""The whole camera, made of agent.json: frame loop, agent, poster and outputs, until it is told to stop."""

from __future__ import annotations

import logging
import random
import re
import signal
import threading
from pathlib import Path
from typing import Any, Callable, List, Optional, Tuple

from device.agent import Agent
from device.boot import Boot
from device.camera import CameraUnavailableError, open_camera
from device.capture import Capture
from device.cloud import Cloud
from device.config import AgentConfig
from device.crash_record import CrashRecord, blames_the_model, gist
from device.display import Display
from device.events import Events
from device.frame_loop import FrameLoop, Seen
from device.frame_source import FrameSource
from device.frame_spool import FrameSpool
from device.guard import guarded
from device.model_store import ModelStore
from device.mqtt_output import MqttOutput, MqttUnavailableError
from device.outbox import Outbox
from device.posting import Poster
from device.transport import Transport
from device.update_loop import UpdateLoop
from device.watchdog import Watchdog

log = logging.getLogger(__name__)
# Of the outbox' bytes: frames go first anyway, but they need not fill the disk before.
_FRAMES_SHARE = 0.5
_TAKEN = re.compile(r"frame-(\d+)\.jpg\Z")


class Station:
    """listeners: told of every event beside MQTT, e.g. Greengrass' shim."""

    def __init__(self, config: AgentConfig, listeners: Tuple[Callable[[Seen], None], ...] = ()) -> None:
        """Raises: OSError when the home cannot be used."""
        home = config.home
        home.mkdir(parents=True, exist_ok=True)
        self._stops: List[Callable[[], None]] = []
        self.boot = Boot(home / "boot.json")
        spool = FrameSpool(home / "frames", int(config.outbox_bytes * _FRAMES_SHARE))
        self.outbox = Outbox(home / "events", self.boot.id, spool, config.outbox_bytes)
        self.store = ModelStore(home / "models", config.keep_free_bytes)
        self.crashes = CrashRecord(home / "crash.txt")
        self._find_the_culprit()
        self.crashed = threading.Event()
        self.source = FrameSource(
            lambda: open_camera(config.camera.kind, config.camera.options), crashed=self._note_crash
        )
        self.loop = FrameLoop(self.source, self._watchers(config, spool, listeners), self._note_crash)
        cloud = Cloud(config.service, config.device, config.key, Transport(config.ca_file))
        self.agent = Agent(home, cloud, self.store, self.loop, self.boot, self.outbox, config.engine)
        self.updates = UpdateLoop(self.agent)
        self.poster = Poster(cloud, self.outbox, spool)
        self.watchdog = Watchdog(self.loop, self._note_hang)
        self._threads = [
            threading.Thread(target=guarded(self.updates.run, self._note_crash), name="agent", daemon=True),
            threading.Thread(target=guarded(self.poster.run, self._note_crash), name="poster", daemon=True),
            threading.Thread(target=guarded(self.watchdog.run, self._note_crash), name="watchdog", daemon=True),
        ]

    def start(self) -> None:
        """What the last start left to run sees frames before anybody is asked."""
        self.loop.start()
        self.agent.begin()
        for thread in self._threads:
            thread.start()
        log.info("boot %s; model %s", self.boot.id, (self.loop.digest or "none yet")[:12])

    def stop(self) -> None:
        self.watchdog.stop()
        self.agent.stop()
        self.poster.stop()
        self.loop.stop()
        for thread in self._threads:
            thread.join(5.0)
        for stop in self._stops:
            stop()
        self.agent.keep_counters()
        self.outbox.close()

    def _find_the_culprit(self) -> None:
        words = self.crashes.last_words()
        if words:
            log.error("the start before this one crashed:\n%s", words)
        if blames_the_model(words):
            self.store.crashed(gist(words))

    def _note_crash(self) -> None:
        self.crashes.note_exception()
        self.crashed.set()

    def _note_hang(self) -> None:
        self.crashes.note_hang()
        self.crashed.set()

    def _watchers(
        self, config: AgentConfig, spool: FrameSpool, listeners: Tuple[Callable[[Seen], None], ...]
    ) -> Tuple[Callable[[Seen], None], ...]:
        heard = (*listeners, *self._made(lambda: MqttOutput(config.mqtt, config.device) if config.mqtt else None))
        watchers: List[Callable[[Seen], None]] = [Events(config.results, self.outbox, heard)]
        watchers += self._made(lambda: Display(config.display) if config.display else None)
        if config.capture.samplers:
            watchers += self._made(
                lambda: Capture(config.capture, spool, random.Random(), config.home / "captured.json")
            )
        return tuple(watchers)

    def _made(self, make: Callable[[], Any]) -> Tuple[Any, ...]:
        """An output that cannot be had is left out, with the reason: the camera's work does not depend on it."""
        try:
            output: Optional[Any] = make()
        except (OSError, MqttUnavailableError) as error:
            log.error("an output is left out: %s", error)
            return ()
        if output is None:
            return ()
        self._stops.append(output.stop)
        return (output,)


def run_until_stopped(config: AgentConfig, listeners: Tuple[Callable[[Seen], None], ...] = ()) -> bool:
    """In the process' main thread; SIGTERM and SIGINT end it. False when a thread of it has crashed.

    Raises: OSError, CameraUnavailableError, EngineUnavailableError.
    """
    check_camera(config)
    # Its library is missing, or its GPU: no model's fault, so no model is rolled back for it.
    config.engine.check()
    station = Station(config, listeners)
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    station.crashes.watch()
    station.start()
    while not stopping.wait(0.5):
        if station.crashed.is_set():
            break
    station.stop()
    station.crashes.stop()
    return not station.crashed.is_set()


def check_camera(config: AgentConfig) -> None:
    """A plug-in whose library is missing will not come by waiting. Raises: CameraUnavailableError."""
    try:
        open_camera(config.camera.kind, config.camera.options).close()
    except CameraUnavailableError:
        raise
    except RuntimeError as error:
        log.warning("the camera gives nothing yet: %s", error)


def capture_once(config: AgentConfig, folder: Path) -> Path:
    """One frame as a JPEG with the next number in the folder. Raises: CameraError, OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    numbers = [int(found.group(1)) for found in (_TAKEN.match(path.name) for path in folder.iterdir()) if found]
    camera = open_camera(config.camera.kind, config.camera.options)
    try:
        image = camera.next_frame()
    finally:
        camera.close()
    if image is None:
        raise OSError("the camera has no more frames")
    path = folder / ("frame-%06d.jpg" % (max(numbers, default=0) + 1))
    image.save(str(path), "JPEG", quality=92)
    return path
