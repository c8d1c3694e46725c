"""The trainer of the embedded mode: starts waiting jobs, one at a time, each in a process of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from chalicelib.adapters.embedded.job_folder import QUEUED, JobFolder, JobFolders
from chalicelib.domain.training_job import JobState

WRAPPER = (sys.executable, "-m", "chalicelib.adapters.embedded.job_process")


@dataclass
class Trainer:
    """`train` and `evaluate` are the commands' beginnings; what a job says of itself follows as options."""

    folders: JobFolders
    checkout: Path
    train: Sequence[str]
    evaluate: Sequence[str]
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def pump(self, token: int) -> None:
        """Close what has ended; start the oldest waiting job when none runs. `token` is the holder's of the lease."""
        if not self.folders.fence(token):
            return
        self.started = [process for process in self.started if process.poll() is None]
        waiting, running = [], bool(self.started)
        for job in self.folders.open_jobs():
            state = job.status()["state"]
            if state == JobState.RUNNING.value:
                running = True
            elif state != QUEUED or job.is_stop_asked:
                self._close(job, state)
            else:
                waiting.append(job)
        if waiting and not running:
            self._start(waiting[0])

    def stop(self) -> None:
        """The service ends: jobs go back into the queue, from where the next start takes them."""
        found = [job.status() for job in self.folders.open_jobs()]
        running = {status["pid"] for status in found if status["state"] == JobState.RUNNING.value}
        for pid in running | {process.pid for process in self.started if process.poll() is None}:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)

    def _close(self, job: JobFolder, state: str) -> None:
        status = job.status()
        if state == JobState.FAILED.value:
            job.set_status(**status)
        self.folders.close(job)

    def _start(self, job: JobFolder) -> None:
        environment = {**os.environ, "PYTHONPATH": str(self.checkout), "PYTHONUNBUFFERED": "1"}
        command = [*WRAPPER, str(job.path), "--", *self._command(job)]
        process = subprocess.Popen(
            command,
            cwd=self.checkout,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.started.append(process)

    def _command(self, job: JobFolder) -> list[str]:
        order = job.order()
        if order["kind"] == "evaluation":
            return [*self.evaluate, *_options(order, job, order["name"]), "--artifact", order["artifact"]]
        pairs = [f"{name}={value}" for name, value in order["hyperparameters"].items()]
        options = _options(order, job, order["definition"])
        return [*self.train, *options, f"--task={order['task']}", *(f"--set={pair}" for pair in pairs)]


def _options(order: dict[str, dict[str, str]], job: JobFolder, name: object) -> list[str]:
    options = [
        f"--task={order['task']}",
        f"--name={name}",
        f"--out={job.out.resolve()}",
        f"--work={job.work.resolve()}",
    ]
    places = {"": "--data", "pretrained": "--pretrained"}
    return options + [f"{places[channel]}={place}" for channel, place in order["data"].items()]
