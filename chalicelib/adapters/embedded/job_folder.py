"""A training job of this machine as it lies on disk: its order, how it stands, and whether its process lives.

A job folder appears whole. `status.json` is replaced, never written in place; `alive` is locked by the process that
runs the job, so that one that ended without a word is known to have ended, whoever asks and whoever started it.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chalicelib.domain.errors import JobNotFoundError
from chalicelib.domain.training_job import JOB_NAME, JobState

OPEN = ".open"
QUEUED = "queued"
SILENT_END = "The process that ran it ended without a word: it was killed, or the machine went down."


class JobHeldError(RuntimeError):
    """Another process runs this job."""


@dataclass(frozen=True)
class JobFolder:
    path: Path

    @property
    def log(self) -> Path:
        return self.path / "output.log"

    @property
    def out(self) -> Path:
        return self.path / "out"

    @property
    def work(self) -> Path:
        return self.path / "work"

    def order(self) -> dict[str, Any]:
        order: dict[str, Any] = json.loads((self.path / "order.json").read_text(encoding="utf-8"))
        return order

    def status(self) -> dict[str, Any]:
        try:
            status: dict[str, Any] = json.loads((self.path / "status.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {"state": QUEUED, "reason": ""}
        if status["state"] == JobState.RUNNING.value and not self.is_alive():
            # It may have ended properly between the two looks.
            status = json.loads((self.path / "status.json").read_text(encoding="utf-8"))
            if status["state"] == JobState.RUNNING.value:
                return {**status, "state": JobState.FAILED.value, "reason": SILENT_END}
        return status

    def set_status(self, state: str, reason: str = "", **members: Any) -> None:
        write_whole(self.path / "status.json", {"state": state, "reason": reason, **members})

    def back_to_queue(self) -> None:
        (self.path / "status.json").unlink(missing_ok=True)

    def ask_to_stop(self) -> None:
        (self.path / "stop").touch()

    @property
    def is_stop_asked(self) -> bool:
        return (self.path / "stop").exists()

    @contextmanager
    def held(self) -> Iterator[None]:
        """The caller is the job's process, alone. Raises: JobHeldError."""
        with (self.path / "alive").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise JobHeldError(str(self.path)) from error
            yield

    def is_alive(self) -> bool:
        try:
            with self.held():
                return False
        except JobHeldError:
            return True


class JobFolders:
    """`root`/<name> for every job, `root`/.open/<name> for those that have not ended."""

    def __init__(self, root: Path) -> None:
        self._root = root
        (root / OPEN).mkdir(parents=True, exist_ok=True)

    def find(self, name: str) -> JobFolder:
        """Raises: JobNotFoundError."""
        if not JOB_NAME.fullmatch(name) or not (self._root / name / "order.json").exists():
            raise JobNotFoundError(f"This machine knows no job '{name[:80]}'.")
        return JobFolder(self._root / name)

    def add(self, name: str, order: Mapping[str, Any]) -> None:
        """Harmless when there is one of this name."""
        target = self._root / name
        if target.exists():
            return
        incoming = Path(tempfile.mkdtemp(dir=self._root, prefix=".incoming-"))
        write_whole(incoming / "order.json", order)
        (self._root / OPEN / name).touch()
        try:
            incoming.rename(target)
        except OSError:
            shutil.rmtree(incoming)
            if not target.exists():
                raise

    def open_jobs(self) -> list[JobFolder]:
        """In the order in which they came."""
        marks = sorted((self._root / OPEN).iterdir(), key=lambda mark: (mark.stat().st_mtime, mark.name))
        return [JobFolder(self._root / mark.name) for mark in marks if (self._root / mark.name).exists()]

    def fence(self, token: int) -> bool:
        """False for a holder of the lease that has been followed by another, and has not noticed yet."""
        path = self._root / ".fence"
        highest = int(path.read_text()) if path.exists() else 0
        if token > highest:
            incoming = path.with_name(f".fence.{os.getpid()}")
            incoming.write_text(str(token))
            incoming.replace(path)
        return token >= highest

    def close(self, job: JobFolder) -> None:
        (self._root / OPEN / job.path.name).unlink(missing_ok=True)


def write_whole(path: Path, document: Mapping[str, Any]) -> None:
    incoming = path.with_name(f".{path.name}.{os.getpid()}")
    with incoming.open("w", encoding="utf-8") as stream:
        json.dump(document, stream)
        stream.flush()
        os.fsync(stream.fileno())
    incoming.replace(path)
