"""The golden photos that models are told apart by: a versioned pool a task, the same bytes everywhere."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from chalicelib.domain.inference import Task


@dataclass(frozen=True)
class GoldenPhoto:
    """`id`: task, version of the pool and number, `[a-z0-9-]`."""

    id: str
    sha256: str


@dataclass(frozen=True)
class GoldenPool:
    """`name`: task and version; another version has other photos, and every model answers it anew."""

    name: str
    task: Task
    photos: tuple[GoldenPhoto, ...]


class GoldenPools(ABC):
    @abstractmethod
    def of(self, task: Task) -> GoldenPool:
        """The task's present pool."""

    @abstractmethod
    def read(self, photo_id: str) -> bytes:
        """A PNG. Raises: PhotoNotFoundError."""
