"""The process of one local job: runs its command, ends it when asked to, and leaves how it went.

`python -m chalicelib.adapters.embedded.job_process <job folder> -- <command ...>`; in a session of its own, so that a
service that is killed and started again finds the job still running.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any

from chalicelib.adapters.embedded.job_folder import JobFolder, JobHeldError
from chalicelib.domain.training_job import JobState

POLL_S = 0.1
GRACE_S = 2.0
REASON_CHARACTERS = 1024


class Interrupted:
    """SIGTERM: the service ends, so the job goes back into the queue."""

    def __init__(self) -> None:
        self.asked = False
        signal.signal(signal.SIGTERM, self._ask)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.asked = True


def run(job: JobFolder, command: list[str]) -> None:
    interrupted, started_s = Interrupted(), time.time()
    job.set_status(JobState.RUNNING.value, started_s=started_s, pid=os.getpid())
    with job.log.open("ab") as log:
        try:
            program = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        except OSError as error:
            job.set_status(JobState.FAILED.value, f"{command[0]} cannot be run: {error.strerror}", ended_s=time.time())
            return
        while program.poll() is None and not interrupted.asked and not job.is_stop_asked:
            time.sleep(POLL_S)
        if program.poll() is None:
            end(program)
    finish(job, program.returncode, interrupted.asked, started_s)


def end(program: subprocess.Popen[bytes]) -> None:
    """It and all that it started."""
    os.killpg(program.pid, signal.SIGTERM)
    try:
        program.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        os.killpg(program.pid, signal.SIGKILL)
        program.wait()


def finish(job: JobFolder, code: int, was_interrupted: bool, started_s: float) -> None:
    times: dict[str, Any] = {"started_s": started_s, "ended_s": time.time()}
    if code == 0:
        job.set_status(JobState.COMPLETED.value, **times)
    elif job.is_stop_asked:
        job.set_status(JobState.STOPPED.value, "It was stopped on request.", **times)
    elif was_interrupted:
        job.back_to_queue()
    else:
        job.set_status(JobState.FAILED.value, failure_reason(job, code), **times)


def failure_reason(job: JobFolder, code: int) -> str:
    """What the program wrote for SageMaker (output/failure), else its last line, else its exit code."""
    for failure in (job.work / "ml" / "output" / "failure", job.path / "output" / "failure"):
        if failure.exists():
            return failure.read_text(encoding="utf-8", errors="replace")[:REASON_CHARACTERS]
    lines = job.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    last = lines[-1][:REASON_CHARACTERS] if lines else ""
    return f"{last} (exit code {code})".strip()


def main(arguments: list[str]) -> int:
    folder, _, *command = arguments
    job = JobFolder(Path(folder))
    try:
        with job.held():
            run(job, command)
    except JobHeldError:
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
