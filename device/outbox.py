"""Events that wait until the service has them: on the disk, bounded, in order, each exactly once under its number.

A process that is killed loses nothing; a power cut loses what was not synced (`sync_every_s`, so that the card is not
worn out). Numbers begin at 1 with every boot and are never used twice, so that what is lost shows as a gap. When room
is needed sampled frames go first, then the oldest events, a segment at a time; what went is counted and reported.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import threading
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

from device import sequences
from device.durable import read_json, sync_folder, write_json
from device.frame_spool import FrameSpool
from device.segment import Segment, SegmentWriter, left_behind, name_of, parse_name, read_from, remove
from device.sequences import Range
from device.trouble import Trouble

log = logging.getLogger(__name__)
MAX_BYTES = 64 * 1024 * 1024
SEGMENT_BYTES = 128 * 1024
SYNC_EVERY_S = 5.0


class Batch(NamedTuple):
    """Of one boot. `dropped`: ranges of numbers that will never come."""

    boot: str
    events: List[Dict[str, Any]]
    dropped: List[Range]


class Outbox:
    """Safe to use from several threads."""

    def __init__(
        self,
        folder: Path,
        boot: str,
        frames: FrameSpool,
        max_bytes: int = MAX_BYTES,
        segment_bytes: int = SEGMENT_BYTES,
        sync_every_s: float = SYNC_EVERY_S,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        """Raises: OSError."""
        self._folder, self._boot, self._frames = folder, boot, frames
        self._max_bytes, self._segment_bytes, self._sync_every_s = max_bytes, segment_bytes, sync_every_s
        self._timer, self._synced_at_s = timer, timer()
        self._lock = threading.RLock()
        self._sequence = 0
        self._writer: Optional[SegmentWriter] = None
        self._unsynced: List[Tuple[Segment, int]] = []
        self._acknowledged: Dict[str, int] = {}
        self._trouble = Trouble(log, "events are lost, and counted: %s", "events are kept again")
        self._full = Trouble(log, "the oldest events are dropped, and counted: %s")
        self._forgetful = Trouble(log, "what was dropped cannot be written down: %s")
        folder.mkdir(parents=True, exist_ok=True)
        self._segments = left_behind(folder)
        self._ordinal = parse_name(self._segments[-1].path)[0] if self._segments else 0
        self._dropped, self._dropped_events = _drops_from(read_json(folder / "dropped.json"))
        self._note_torn_ends()

    def append(self, event: Dict[str, Any]) -> int:
        """The event's number. A disk that takes nothing costs the event, never the caller."""
        with self._lock:
            self._sequence += 1
            payload = json.dumps(dict(event, sequence=self._sequence), separators=(",", ":")).encode()
            self._make_room(len(payload))
            failure = self._written(payload)
            # Only a full disk is helped by giving something up.
            if failure is not None and failure.errno == errno.ENOSPC and self._drop_something():
                failure = self._written(payload)
            if failure is None:
                self._trouble.over()
            else:
                self._trouble.note(failure)
                self._lose(self._boot, (self._sequence, self._sequence))
            return self._sequence

    def batch(self, limit: int) -> Optional[Batch]:
        """The oldest events of the oldest boot that has any; None when everything was acknowledged. Raises: OSError."""
        with self._lock:
            for boot in self._boots():
                found = self._unacknowledged(boot, limit)
                dropped = self._dropped.get(boot, [])
                if found or dropped:
                    return Batch(boot, found, dropped[:64])
            return None

    def acknowledge(self, boot: str, sequence: int, gaps: Sequence[Range] = ()) -> None:
        """Up to `sequence` the service needs nothing more; of `gaps` it has heard nothing."""
        with self._lock:
            self._acknowledged[boot] = max(sequence, self._acknowledged.get(boot, 0))
            # The one that is being written stays: a file made and removed for every event would wear the card out.
            current = self._writer.segment if self._writer else None
            for segment in [each for each in self._segments if each.boot == boot and each.last <= sequence]:
                if segment is not current:
                    self._forget(segment)
            held = [(each.first, each.last) for each in self._segments if each.boot == boot]
            lost = [part for gap in gaps for part in sequences.without(gap, held)]
            known = self._dropped.get(boot, [])
            left = sequences.after(sequences.joined([*known, *lost]), sequence)
            if left != known:
                self._keep_drops(boot, left, 0)
            if not held:
                self._full.over()

    def give_up(self, boot: str, sequence: int) -> None:
        """The service will never take this event: it is dropped, and the next one is the oldest."""
        with self._lock:
            self._acknowledged[boot] = max(sequence, self._acknowledged.get(boot, 0))
            self._lose(boot, (sequence, sequence))

    def sync_when_due(self) -> None:
        """Called often by whoever may wait for the disk; the frame loop never does."""
        if self._timer() - self._synced_at_s >= self._sync_every_s:
            self.sync()

    def sync(self) -> None:
        """Everything appended so far outlives a power cut from now on. Appending goes on meanwhile."""
        with self._lock:
            self._note_unsynced()
            descriptors, self._unsynced = self._unsynced, []
            self._synced_at_s = self._timer()
        try:
            for _, descriptor in descriptors:
                os.fsync(descriptor)
            if descriptors:
                sync_folder(self._folder)
        except OSError as error:
            log.warning("the outbox cannot be synced: %s", error)
        finally:
            for _, descriptor in descriptors:
                os.close(descriptor)

    def counts(self) -> Dict[str, int]:
        """As a report's `outbox` has them."""
        with self._lock:
            waiting = sum(max(0, each.last - self._floor(each)) for each in self._segments)
            return {
                "events": waiting,
                "bytes": self._bytes() + self._frames.size_bytes,
                "frames": len(self._frames),
                "dropped_events": self._dropped_events,
                "dropped_frames": self._frames.dropped,
            }

    def close(self) -> None:
        with self._lock:
            self._close_writer()
        self.sync()

    def _boots(self) -> List[str]:
        """Oldest first."""
        boots = [each.boot for each in self._segments] + list(self._dropped)
        return list(dict.fromkeys(boots))

    def _floor(self, segment: Segment) -> int:
        """Up to where the segment was acknowledged."""
        return max(self._acknowledged.get(segment.boot, 0), segment.first - 1)

    def _unacknowledged(self, boot: str, limit: int) -> List[Dict[str, Any]]:
        found: List[Dict[str, Any]] = []
        for segment in [each for each in self._segments if each.boot == boot]:
            rows = read_from(segment, self._acknowledged.get(boot, 0), limit - len(found))
            found += [json.loads(payload) for _, payload in rows]
            if len(found) == limit:
                break
            self._lose_after(rows[-1][0] if rows else self._floor(segment), segment)
        return found

    def _lose_after(self, readable: int, segment: Segment) -> None:
        """What a damaged segment no longer gives back: the service would wait for it, and hear the rest for ever."""
        if readable >= segment.last:
            return
        log.error("%s is damaged: events are lost, and counted", segment.path.name)
        lost = (readable + 1, segment.last)
        segment.last = readable
        if self._writer is not None and self._writer.segment is segment:
            self._close_writer()
        self._lose(segment.boot, lost)

    def _written(self, payload: bytes) -> Optional[OSError]:
        try:
            if self._writer is None or self._writer.segment.bytes >= self._segment_bytes:
                self._begin_segment()
            assert self._writer is not None
            self._writer.append(payload)
        except OSError as error:
            # What is missing in a segment would shift the numbers after it.
            self._close_writer()
            return error
        return None

    def _begin_segment(self) -> None:
        """Raises: OSError."""
        self._close_writer()
        self._ordinal += 1
        path = self._folder / name_of(self._ordinal, self._boot, self._sequence)
        self._writer = SegmentWriter(path, self._boot, self._sequence)
        self._segments.append(self._writer.segment)

    def _close_writer(self) -> None:
        if self._writer is None:
            return
        self._note_unsynced()
        writer, self._writer = self._writer, None
        writer.close()
        if writer.segment.events == 0 and writer.segment in self._segments:
            self._forget(writer.segment)

    def _note_unsynced(self) -> None:
        descriptor = self._writer.unsynced() if self._writer else None
        if self._writer is not None and descriptor is not None:
            self._unsynced.append((self._writer.segment, descriptor))

    def _bytes(self) -> int:
        return sum(each.bytes for each in self._segments)

    def _make_room(self, more: int) -> None:
        while self._bytes() + self._frames.size_bytes + more > self._max_bytes and self._drop_something():
            continue

    def _drop_something(self) -> bool:
        """Frames before events. False when nothing is left."""
        if self._frames.drop_oldest():
            return True
        if not self._segments:
            return False
        oldest = self._segments[0]
        lost = (self._floor(oldest) + 1, oldest.last)
        self._forget(oldest)
        if lost[0] <= lost[1]:
            self._full.note("there is room for no more")
            self._lose(oldest.boot, lost)
        return True

    def _forget(self, segment: Segment) -> None:
        if self._writer is not None and self._writer.segment is segment:
            self._writer.close()
            self._writer = None
        self._segments.remove(segment)
        # As long as it is open somewhere its bytes stay on the disk.
        for _, descriptor in [each for each in self._unsynced if each[0] is segment]:
            os.close(descriptor)
        self._unsynced = [each for each in self._unsynced if each[0] is not segment]
        remove(segment.path)

    def _lose(self, boot: str, lost: Range) -> None:
        self._keep_drops(boot, sequences.joined([*self._dropped.get(boot, []), lost]), sequences.total([lost]))

    def _keep_drops(self, boot: str, ranges: List[Range], more: int) -> None:
        self._dropped[boot] = ranges
        if not ranges:
            del self._dropped[boot]
        self._dropped_events += more
        try:
            write_json(self._folder / "dropped.json", {"ranges": self._dropped, "events": self._dropped_events})
        except OSError as error:
            self._forgetful.note(error)

    def _note_torn_ends(self) -> None:
        """Between two segments of a boot nothing is missing, unless the disk lost it."""
        for earlier, later in zip(self._segments, self._segments[1:]):
            known = [*self._dropped.get(earlier.boot, [])]
            if earlier.boot == later.boot and earlier.last + 1 < later.first:
                for part in sequences.without((earlier.last + 1, later.first - 1), known):
                    self._lose(earlier.boot, part)


def _drops_from(document: Dict[str, Any]) -> Tuple[Dict[str, List[Range]], int]:
    ranges = document.get("ranges") or {}
    return {boot: [(first, last) for first, last in each] for boot, each in ranges.items()}, document.get("events", 0)
