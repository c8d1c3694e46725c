"""A few simulated cameras for as long as a block lasts: for demonstrations."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Iterator, Mapping, Optional, Sequence

from device.simulate.enrol import enrolled, made
from device.simulate.fleet import Fleet
from device.simulate.models import ModelShelf

SPEED = 10.0


@contextmanager
def simulated(
    url: str,
    admin_key: str,
    fleet: str,
    cameras: int = 3,
    frames: Sequence[bytes] = (),
    shares: Optional[Mapping[str, float]] = None,
    speed: float = SPEED,
) -> Iterator[Fleet]:
    """Enrolled by an admin's key, checking in `speed` times as often as they are told, until the block ends.

    frames: photos that the cameras look at; what they count of them decides whether they see worse than before.
    Raises: EnrolmentError, OSError.
    """
    shelf = ModelShelf(frames=frames)
    try:
        identities = enrolled(url, admin_key, fleet, cameras, threads=min(cameras, 8))
        running = Fleet(url, made(identities, shares or {}, shelf), threads=min(cameras, 8), speed=speed)
        running.start()
        try:
            yield running
        finally:
            running.stop()
    finally:
        shelf.close()
