"""What the last start died of, so that a model is blamed for the crashes of its own engine, and for no others.

Python's faulthandler writes the last words of a process that a vendor's library has ended (SIGSEGV, SIGABRT, SIGBUS,
SIGFPE, SIGILL). Nothing is written while all is well; a `kill -9`, a full memory and a power cut leave no words, and
nobody is blamed for them.
"""

from __future__ import annotations

import faulthandler
import logging
import re
import sys
import threading
import traceback
from pathlib import Path
from typing import BinaryIO, List, Optional

log = logging.getLogger(__name__)
_MOST_BYTES = 64 * 1024
_CURRENT = re.compile(r"^Current thread ", re.MULTILINE)
_IN_ENGINE = re.compile(r'runtime[\\/]engines[\\/]|runtime[\\/]predictor\.py", line \d+,? in answer')
# The agent's thread trying another model than the one that runs.
_IN_TRIAL = re.compile(r"\bin try_model\b")


class CrashRecord:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: Optional[BinaryIO] = None

    def last_words(self) -> str:
        """Of the start before; empty when it did not crash."""
        try:
            with self._path.open("rb") as stream:
                return stream.read(_MOST_BYTES).decode(errors="replace").strip()
        except OSError:
            return ""

    def watch(self) -> None:
        """From now on this process' last words go there. What stood there is gone."""
        try:
            self._file = self._path.open("wb", buffering=0)
        except OSError as error:
            log.error("a crash of the engine would leave no trace: %s", error)
            return
        faulthandler.enable(self._file)

    def stop(self) -> None:
        if self._file is not None:
            faulthandler.disable()
            self._file.close()
            self._file = None

    def note_exception(self) -> None:
        """Of a thread that ends with what nobody expected; called where it is handled."""
        told = traceback.format_exc().replace("\n\n", "\n")
        self._write("Current thread %s\n%s" % (threading.current_thread().name, told))

    def note_hang(self) -> None:
        """What every thread is at, when one of them does not come back."""
        names = {thread.ident: thread.name for thread in threading.enumerate()}
        told = [
            "Thread %s\n%s" % (names.get(number, number), "".join(traceback.format_stack(frame)))
            for number, frame in sys._current_frames().items()
        ]
        self._write("Fatal: the frame loop hangs\n\n" + "\n".join(told))

    def _write(self, words: str) -> None:
        try:
            if self._file is not None:
                self._file.write(words.encode())
        except OSError as error:
            log.error("the crash cannot be written down: %s", error)


def blames_the_model(words: str) -> bool:
    """Whether the thread that crashed was in the engine, with the model that serves the frames.

    An engine's own threads have no Python of their own: then whoever was waiting for the engine counts.
    """
    return any(_IN_ENGINE.search(each) and not _IN_TRIAL.search(each) for each in _suspects(words))


def gist(words: str) -> str:
    """In a line: the signal, or the exception."""
    lines = words.splitlines() or [""]
    return lines[0] if lines[0].startswith("Fatal") else lines[-1]


def _suspects(words: str) -> List[str]:
    found = _CURRENT.search(words)
    return [words[found.start() :].split("\n\n")[0]] if found else words.split("\n\n")
