"""What the states of an update act on: the service, the slots and the frame loop, which never waits for any of it."""

from __future__ import annotations

import logging
import platform
import re
import threading
import time
from pathlib import Path
from typing import Any, Callable, Dict, Optional, Tuple

from device.boot import Boot
from device.cloud import Cloud
from device.download import Download
from device.durable import read_json, write_json
from device.engine_choice import CPU, EngineChoice
from device.frame_loop import FrameLoop
from device.model_store import ModelStore
from device.outbox import Outbox
from device.reporter import Reporter
from device.runtime.engines.awscam_engine import AwscamEngine, remove_conversions
from device.runtime.predictor import Predictor
from device.tally import Tally
from device.trial import TrialError, load_tested, try_apart
from device.trouble import Trouble
from device.version import VERSION

log = logging.getLogger(__name__)
FIRST_CHECK_S = 60.0
LASTED_AFTER_S = 300.0
# A card is worn out by a file that is written with every check.
COUNTERS_EVERY_S = 300.0
# Becomes a folder's name.
_DIGEST = re.compile(r"[0-9a-f]{64}\Z")
TARGET_MEMBERS = ("deployment", "direction", "model", "digest", "nonce", "golden", "next_check_s")
Proved = Tuple[Optional[str], Optional[str]]


class Agent:
    """Used by one thread, device/update_loop.py's."""

    def __init__(
        self,
        home: Path,
        cloud: Cloud,
        store: ModelStore,
        loop: FrameLoop,
        boot: Boot,
        outbox: Outbox,
        engine: EngineChoice,
        try_apart: Callable[..., None] = try_apart,
    ) -> None:
        self.cloud, self.store, self.loop, self.boot = cloud, store, loop, boot
        self.download = Download(cloud.transport, store.downloads, store.make_room)
        self.target: Dict[str, Any] = {}
        self.etag: Optional[str] = None
        self.next_check_s = FIRST_CHECK_S
        self.wrong_digests = 0
        self.photos: Dict[str, bytes] = {}
        self._home, self._engine, self._outbox = home, engine, outbox
        self._try_apart = try_apart
        self._proved: Optional[Proved] = None
        self._reporter = Reporter(cloud, boot, self._description)
        self._stopping = threading.Event()
        self._trouble = Trouble(log, "the counters cannot be kept: %s")
        self._started_at_s = self._counters_at_s = time.monotonic()

    @property
    def runs_factory(self) -> bool:
        return self.store.pointer.active is None and self.loop.digest == self.store.factory

    @property
    def is_proved(self) -> bool:
        return self._proved == (self.target.get("deployment"), self.target.get("digest"))

    @property
    def stage(self) -> str:
        if self.store.pointer.provisional:
            return "provisional"
        return "confirmed" if self.store.pointer.active else "idle"

    @property
    def is_stopping(self) -> bool:
        return self._stopping.is_set()

    def stop(self) -> None:
        self._stopping.set()

    def begin(self) -> None:
        """Loads what the last start left to run: also without any network."""
        digest = self.store.begin()
        if digest is None:
            log.warning("there is no model yet; it comes with the first promotion")
        while digest is not None and not self._is_loaded(digest):
            digest = self._one_before(digest)

    def load_active(self) -> None:
        """What the pointer names now, else the factory's, else nothing."""
        for digest in (self.store.pointer.active, self.store.factory):
            if digest is not None and self.store.has(digest) and self._is_loaded(digest):
                return
        self.loop.switch(None, None)

    def try_model(self, digest: str) -> Predictor:
        """Raises: TrialError."""
        slot = self.store.slot(digest)
        # The GPU of a DeepLens belongs to one process.
        if self._engine.name != "awscam":
            self._try_apart(slot, self._engine)
        return load_tested(slot, self._engine)

    def report(self, stage: str, **members: Any) -> Dict[str, Any]:
        """Raises: CloudError."""
        reply = self._reporter.send(stage, **members)
        self.next_check_s = float(reply.get("next_check_s") or self.next_check_s)
        return reply

    def take_target(self, document: Dict[str, Any], etag: str) -> None:
        """Raises: KeyError when a member is missing: half a target must not look like the factory's; ValueError."""
        if document["digest"] is not None and not _DIGEST.match(document["digest"]):
            raise ValueError("the target's digest is none: %r" % document["digest"][:80])
        self.target, self.etag = {name: document[name] for name in TARGET_MEMBERS}, etag or None
        self.next_check_s = float(document["next_check_s"])

    def forget_target(self) -> None:
        """The next check asks as if for the first time, and proves again."""
        self.etag, self._proved = None, None

    def mark_proved(self) -> None:
        self._proved = (self.target.get("deployment"), self.target.get("digest"))

    def wait(self, pause_s: float) -> None:
        self._stopping.wait(pause_s)

    def look_after_itself(self) -> None:
        """What is due now and then."""
        now_s = time.monotonic()
        if now_s - self._started_at_s > LASTED_AFTER_S:
            self.store.lasted()
        if now_s - self._counters_at_s > COUNTERS_EVERY_S:
            self._counters_at_s = now_s
            self.keep_counters()

    def keep_counters(self) -> None:
        if self.loop.digest is None:
            return
        try:
            write_json(self._counters, {"digest": self.loop.digest, **self.loop.tally.counters()})
        except OSError as error:
            self._trouble.note(error)

    def tidy(self) -> None:
        """What models left that run no more goes: also those that failed, or a DeepLens would fill up with them."""
        if self._engine.name == "awscam":
            kept = (self.store.pointer.active, self.store.pointer.previous, self.store.factory)
            remove_conversions([digest for digest in kept if digest])

    @property
    def _counters(self) -> Path:
        return self._home / "counters.json"

    def _is_loaded(self, digest: str) -> bool:
        try:
            predictor = load_tested(self.store.slot(digest), self._engine)
        except TrialError as error:
            log.error("model %s cannot be loaded: %s", digest[:12], error)
            return False
        kept = read_json(self._counters)
        self.loop.switch(predictor, digest, Tally(kept if kept.get("digest") == digest else None))
        return True

    def _one_before(self, digest: str) -> Optional[str]:
        """What to load in the place of a model that does not load: the one before, then the factory's.

        One that the service has confirmed stays what this camera is to run: it is tried again as soon as the service
        was asked, and given up only when that fails too. A disk or a GPU may have had a bad moment.
        """
        if digest == self.store.pointer.active and self.store.pointer.provisional:
            self.store.roll_back("engine", "the model could not be loaded at a start")
        known = [self.store.pointer.active, self.store.pointer.previous, self.store.factory]
        candidates = [each for each in dict.fromkeys(known) if each and self.store.has(each)]
        after = candidates[candidates.index(digest) + 1 :] if digest in candidates else candidates
        return next(iter(after), None)

    def _description(self) -> Dict[str, Any]:
        return {
            "digest": self.loop.digest,
            "counters": self.loop.tally.counters() if self.loop.digest else None,
            "scene": self.loop.tally.scene(),
            "versions": self._versions(),
            "outbox": self._outbox.counts(),
        }

    def _versions(self) -> Dict[str, str]:
        versions = {"agent": VERSION, "python": platform.python_version(), "engine": self._engine.name}
        if self.loop.camera_fault:
            versions["camera"] = ("fault: " + self.loop.camera_fault)[:200]
        if self.loop.is_broken:
            versions["model"] = "fault: it fails on every frame"
        predictor = self.loop.predictor
        if predictor is not None:
            versions["engine"] = "%s %s" % (self._engine.name, predictor.engine.version)
            if self._engine.processor != CPU:
                versions["engine_device"] = self._engine.processor
            if isinstance(predictor.engine, AwscamEngine):
                versions["ir"] = predictor.engine.ir_digest
        return versions
