"""An agent on a folder of photos, started and stopped as a test wants."""

from __future__ import annotations

import random
import threading
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Tuple

from device.agent import Agent
from device.back_off import BackOff
from device.boot import Boot
from device.camera import Camera, open_camera
from device.cloud import Cloud
from device.engine_choice import EngineChoice
from device.frame_loop import FrameLoop, Seen
from device.frame_source import FrameSource
from device.frame_spool import FrameSpool
from device.model_store import ModelStore
from device.outbox import Outbox
from device.runtime.artifact import pack
from device.transport import Transport
from device.update_loop import UpdateLoop
from tests.device.models import RED, model_folder, plain, png

KEY = "bsd_kitchen-1_secret"
# An archive and what it holds, unpacked.
Made = Tuple[Path, Path]


class Running:
    """One start of the agent, over the same home as the one before."""

    def __init__(
        self,
        home: Path,
        url: str,
        engine: str = "onnxruntime",
        open_frames: Optional[Callable[[], Camera]] = None,
        factory: Optional[Path] = None,
        **options: Any,
    ) -> None:
        photos = home / "photos"
        photos.mkdir(parents=True, exist_ok=True)
        (photos / "a.png").write_bytes(png(plain(RED)))
        options.setdefault("try_apart", lambda *_: None)
        self.seen: List[Seen] = []
        source = FrameSource(
            open_frames or (lambda: open_camera("folder", {"path": str(photos), "fps": 100})),
            BackOff(random.Random(1), 0.01, 0.02),
        )
        self.boot = Boot(home / "boot.json")
        self.store = ModelStore(home / "models", keep_free_bytes=0)
        if factory is not None:
            self.store.install_factory(factory)
        frames = FrameSpool(home / "frames", 10**6)
        self.outbox = Outbox(home / "events", self.boot.id, frames)
        self.loop = FrameLoop(source, (self.seen.append,))
        self.agent = Agent(
            home,
            Cloud(url, "kitchen-1", KEY, Transport(timeout_s=30)),
            self.store,
            self.loop,
            self.boot,
            self.outbox,
            EngineChoice(engine),
            **options,
        )
        self.updates = UpdateLoop(self.agent, BackOff(random.Random(1), 0.02, 0.05))
        self._thread = threading.Thread(target=self.updates.run, daemon=True)

    def __enter__(self) -> Running:
        self.loop.start()
        self.agent.begin()
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self.agent.stop()
        self._thread.join(60)
        self.loop.stop()
        self.outbox.close()

    @property
    def labels(self) -> Dict[str, int]:
        found: Dict[str, int] = {}
        for seen in list(self.seen):
            found[str(seen.answer.result.label)] = found.get(str(seen.answer.result.label), 0) + 1
        return found


def until(condition: Callable[[], Any], timeout_s: float = 120.0) -> None:
    """Waits for what another thread does; fails the test when it does not come."""
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "it did not happen in %g s" % timeout_s
        time.sleep(0.01)


def packed(folder: Path, name: str, **changes: Any) -> Made:
    slot = model_folder(folder / name, name=name, **changes)
    archive = folder / (name + ".tar.gz")
    pack(slot, archive)
    return archive, slot
