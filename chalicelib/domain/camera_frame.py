"""A frame that a camera sampled for training, and what the model thought of it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MAX_FRAME_BYTES = 4 * 1024 * 1024
FOLDER = "frames"
# The bucket's lifecycle rule says the same.
KEEP_S = 90 * 24 * 3600


@dataclass(frozen=True)
class CameraFrame:
    id: str
    device: str
    fleet: str
    sha256: str
    bytes: int
    captured_at_s: float
    received_at_s: float
    sampler: str
    model: str | None = None
    thought: Mapping[str, Any] | None = None

    @property
    def blob_name(self) -> str:
        return f"{FOLDER}/{self.id}"


def frame_id(device: str, sha256: str) -> str:
    """The same frame of the same camera is announced under the same id, however often."""
    return hashlib.sha256(f"{device} {sha256}".encode()).hexdigest()[:24]
