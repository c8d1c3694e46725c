"""Progress for people: a bar on a terminal, a line every few seconds elsewhere; and metrics for SageMaker's regexes."""

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TextIO

LINE_EVERY_S = 5.0
BAR_EVERY_S = 0.2
BAR_WIDTH = 24


@dataclass
class Progress:
    """Counts steps of `unit`s done out of `total`."""

    title: str
    total: int
    unit: str = "images"
    stream: TextIO = field(default_factory=lambda: sys.stderr)
    _done: int = 0
    _begun_s: float = field(default_factory=time.monotonic)
    _shown_s: float = field(default_factory=time.monotonic)

    def advance(self, count: int, note: str = "") -> None:
        self._done = min(self._done + count, self.total)
        now = time.monotonic()
        is_terminal = self.stream.isatty()
        if now - self._shown_s >= (BAR_EVERY_S if is_terminal else LINE_EVERY_S) or self._done == self.total:
            self._shown_s = now
            self._show(now, note, is_terminal)

    def skip(self, count: int) -> None:
        """Leaves out what needs no work any more: finished before a restart, or cut short by early stopping."""
        self.total = max(self._done, self.total - count)

    def _show(self, now: float, note: str, is_terminal: bool) -> None:
        rate = self._done / max(now - self._begun_s, 1e-9)
        left_s = (self.total - self._done) / rate if rate else 0.0
        text = f"{self.title} {self._done}/{self.total} {rate:.0f} {self.unit}/s, {left_s:.0f} s left {note}".rstrip()
        if is_terminal:
            filled = BAR_WIDTH * self._done // max(self.total, 1)
            text = f"\r[{'#' * filled}{'.' * (BAR_WIDTH - filled)}] {text}\x1b[K"
        end = "" if is_terminal and self._done < self.total else "\n"
        print(text, end=end, file=self.stream, flush=True)


def report_metrics(values: Mapping[str, float]) -> None:
    """`name=value;` pairs on standard output, the form the job definitions' metric regexes read."""
    print(" ".join(f"{name}={value:.6g};" for name, value in values.items()), flush=True)
