"""The golden pools that ship with the service (scripts/golden_pool.py renders them): a zip a task, read once."""

from __future__ import annotations

import hashlib
import threading
import zipfile
from dataclasses import dataclass
from pathlib import Path

from chalicelib.domain.fleet_errors import PhotoNotFoundError
from chalicelib.domain.golden import GoldenPhoto, GoldenPool, GoldenPools
from chalicelib.domain.inference import Task

FOLDER = Path(__file__).parent.parent / "golden"
VERSIONS = {Task.CLASSIFY: 1, Task.COUNT: 1, Task.DETECT: 1}


@dataclass(frozen=True)
class _LoadedPool:
    pool: GoldenPool
    photos: dict[str, bytes]


class PackagedPools(GoldenPools):
    def __init__(self, folder: Path = FOLDER) -> None:
        self._folder = folder
        self._loaded: dict[Task, _LoadedPool] = {}
        self._loading = threading.Lock()

    def of(self, task: Task) -> GoldenPool:
        return self._pool(task).pool

    def read(self, photo_id: str) -> bytes:
        name = photo_id.partition("-")[0]
        task = next((task for task in Task if task.value == name), None)
        photo = self._pool(task).photos.get(photo_id) if task else None
        if photo is None:
            raise PhotoNotFoundError(
                f"There is no golden photo '{photo_id[:60]}'; a device's target names those it needs."
            )
        return photo

    def _pool(self, task: Task) -> _LoadedPool:
        found = self._loaded.get(task)
        if found is not None:
            return found
        with self._loading:
            return self._loaded.setdefault(task, self._load(task))

    def _load(self, task: Task) -> _LoadedPool:
        name = f"{task.value}-{VERSIONS[task]}"
        with zipfile.ZipFile(self._folder / f"{name}.zip") as packed:
            photos = {Path(member).stem: packed.read(member) for member in sorted(packed.namelist())}
        hashes = tuple(GoldenPhoto(id_, hashlib.sha256(photo).hexdigest()) for id_, photo in photos.items())
        return _LoadedPool(GoldenPool(name, task, hashes), photos)
