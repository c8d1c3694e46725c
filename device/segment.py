"""One file of the outbox: records appended with length and checksum, so that a torn end is seen and left out."""

from __future__ import annotations

import errno
import logging
import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Iterator, List, Optional, Tuple

log = logging.getLogger(__name__)
HEADER = struct.Struct(">II")
MAX_RECORD_BYTES = 1024 * 1024
# The card no longer gives it back, or the file has gone: waiting does not help.
_LOST = (errno.EIO, errno.ENOENT)


@dataclass
class Segment:
    """Records `first` to `last` of one boot."""

    path: Path
    boot: str
    first: int
    last: int
    bytes: int = 0

    @property
    def events(self) -> int:
        return self.last - self.first + 1


def name_of(ordinal: int, boot: str, first: int) -> str:
    return "%012d.%s.%d.log" % (ordinal, boot, first)


def parse_name(path: Path) -> Tuple[int, str, int]:
    """Ordinal, boot and first sequence. Raises: ValueError for a file that is none of ours."""
    ordinal, boot, first, _ = path.name.split(".")
    return int(ordinal), boot, int(first)


def framed(payload: bytes) -> bytes:
    return HEADER.pack(len(payload), zlib.crc32(payload)) + payload


def payloads(path: Path) -> Iterator[bytes]:
    """Up to the first record that is torn, damaged or lost. Raises: OSError for what another time may mend."""
    try:
        with path.open("rb") as stream:
            payload = _next_payload(stream)
            while payload is not None:
                yield payload
                payload = _next_payload(stream)
    except OSError as error:
        if error.errno not in _LOST:
            raise


def _next_payload(stream: BinaryIO) -> Optional[bytes]:
    """None where no whole record follows. Raises: OSError."""
    header = stream.read(HEADER.size)
    if len(header) < HEADER.size:
        return None
    length, checksum = HEADER.unpack(header)
    payload = stream.read(length) if length <= MAX_RECORD_BYTES else b""
    return payload if len(payload) == length and zlib.crc32(payload) == checksum else None


def reopened(path: Path) -> Segment:
    """A segment that an earlier boot left. Raises: ValueError, OSError."""
    _, boot, first = parse_name(path)
    whole = sum(1 for _ in payloads(path))
    return Segment(path, boot, first, first + whole - 1, path.stat().st_size)


def left_behind(folder: Path) -> List[Segment]:
    """In the order in which they were written; empty ones go."""
    found = []
    for path in sorted(folder.glob("*.log")):
        try:
            segment = reopened(path)
        except (OSError, ValueError) as error:
            log.warning("%s is left alone: %s", path.name, error)
            continue
        if segment.events > 0:
            found.append(segment)
        else:
            remove(path)
    return found


def remove(path: Path) -> None:
    try:
        path.unlink()
    except OSError as error:
        log.warning("%s cannot be removed: %s", path.name, error)


class SegmentWriter:
    """Appends to a new file. A process that is killed loses nothing; a power cut what was not synced yet."""

    def __init__(self, path: Path, boot: str, first: int) -> None:
        """Raises: OSError."""
        self.segment = Segment(path, boot, first, first - 1)
        self._descriptor = os.open(str(path), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        self._is_synced = True

    def append(self, payload: bytes) -> None:
        """Whole, or as if it had not been tried. Raises: OSError."""
        record = framed(payload)
        try:
            written = os.write(self._descriptor, record)
            if written != len(record):
                raise OSError(errno.ENOSPC, "the disk took a part of it only")
        except OSError:
            os.ftruncate(self._descriptor, self.segment.bytes)
            raise
        self.segment.last += 1
        self.segment.bytes += len(record)
        self._is_synced = False

    def unsynced(self) -> Optional[int]:
        """A descriptor to sync and close, whatever becomes of this writer; None when nothing is to be synced."""
        if self._is_synced:
            return None
        self._is_synced = True
        return os.dup(self._descriptor)

    def close(self) -> None:
        os.close(self._descriptor)


def read_from(segment: Segment, after: int, limit: int) -> List[Tuple[int, bytes]]:
    """Sequences and payloads after `after`; fewer than there were when the file is damaged. Raises: OSError."""
    found: List[Tuple[int, bytes]] = []
    for at, payload in enumerate(payloads(segment.path)):
        sequence = segment.first + at
        if sequence > segment.last or len(found) == limit:
            break
        if sequence > after:
            found.append((sequence, payload))
    return found
