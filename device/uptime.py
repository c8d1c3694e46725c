"""When something was by a clock that nobody sets: a camera without a battery begins in 1970, and is put right later.

What it saw until then would stand in 1970 at the service for ever. So events and frames remember beside the clock how
long the machine had been up, and tell the time by the clock as it stands when they are sent.
"""

from __future__ import annotations

import time
import uuid
from pathlib import Path
from typing import Any, Dict, Mapping, Optional

UPTIME = "uptime"
# Less than that is the clock's own run, and what lies between two readings.
_STEP_S = 1.0


def uptime_s() -> Optional[float]:
    """Seconds since the machine's start, those included in which it slept; None where no clock says so."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else None


def _machine_start() -> str:
    """The same until the machine itself starts again; of this process only where the system does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return uuid.uuid4().hex


_START = _machine_start()


def mark(up_s: Optional[float], start: str = _START) -> Dict[str, Any]:
    """What a document with `captured_at_s` remembers on the disk beside it."""
    return {} if up_s is None else {UPTIME: [start, round(up_s, 3)]}


def as_of_now(document: Mapping[str, Any], now_s: float, up_s: Optional[float], start: str = _START) -> Dict[str, Any]:
    """As it is sent: without its mark, and with `captured_at_s` by the present clock if that was set meanwhile.

    What an earlier start of the machine saw stays as its clock said: nobody knows how long it was off.
    """
    told = {name: value for name, value in document.items() if name != UPTIME}
    kept = document.get(UPTIME)
    if up_s is None or kept is None or kept[0] != start:
        return told
    captured_at_s = now_s - (up_s - kept[1])
    if abs(captured_at_s - told["captured_at_s"]) > _STEP_S:
        told["captured_at_s"] = round(max(0.0, captured_at_s), 3)
    return told
