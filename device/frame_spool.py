"""Sampled frames that wait for their upload: a JPEG and what was thought of it, a pair of files each."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional

from device.durable import read_json


class SpooledFrame(NamedTuple):
    """`document`: what POST /frames is told beside size and digest, and its mark of uptime."""

    path: Path
    document: Dict[str, Any]


class FrameSpool:
    """Not synced: a frame that a power cut takes is no loss. The oldest go first when room is needed."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        """Raises: OSError."""
        self._folder = folder
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self.dropped = 0
        folder.mkdir(parents=True, exist_ok=True)
        self._paths: List[Path] = sorted(path for path in folder.glob("*.jpg") if path.stem.isdigit())
        self._sizes = {path: path.stat().st_size for path in self._paths}
        self._ordinal = int(self._paths[-1].stem) if self._paths else 0
        # Of frames that a kill left without their other half.
        for path in folder.glob("*.json"):
            if path.stem.isdigit() and path.with_suffix(".jpg") not in self._sizes:
                _remove(path.with_suffix(".jpg"))

    def __len__(self) -> int:
        return len(self._paths)

    @property
    def size_bytes(self) -> int:
        return sum(self._sizes.values())

    def put(self, jpeg: bytes, document: Dict[str, Any]) -> bool:
        """False when it was dropped: the disk is full or cannot be written to."""
        with self._lock:
            self._ordinal += 1
            path = self._folder / ("%012d.jpg" % self._ordinal)
            try:
                path.with_suffix(".json").write_text(json.dumps(document), encoding="utf-8")
                path.write_bytes(jpeg)
            except OSError:
                self.dropped += 1
                _remove(path)
                return False
            self._paths.append(path)
            self._sizes[path] = len(jpeg)
        while self.size_bytes > self._max_bytes:
            self.drop_oldest()
        return True

    def oldest(self) -> Optional[SpooledFrame]:
        with self._lock:
            if not self._paths:
                return None
            path = self._paths[0]
        return SpooledFrame(path, read_json(path.with_suffix(".json")))

    def drop_oldest(self) -> bool:
        """False when there is none."""
        with self._lock:
            if not self._paths:
                return False
            path = self._paths[0]
        self.dropped += 1
        self.remove(path)
        return True

    def remove(self, path: Path) -> None:
        """After it was sent."""
        with self._lock:
            if path in self._sizes:
                self._paths.remove(path)
                del self._sizes[path]
        _remove(path)


def _remove(path: Path) -> None:
    for each in (path, path.with_suffix(".json")):
        try:
            each.unlink()
        except OSError:
            continue
