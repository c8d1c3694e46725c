"""Writer: RecordIO with its index (.rec, .idx), as MXNet and SageMaker's built-in algorithms read it.

The format, little endian throughout: a record is the magic number, a word of which the upper three bits say which part
of a record this is and the lower 29 how many bytes follow, and these bytes, filled up with zeros to whole words. Where
the magic number itself stands in the content at a word's border, the content is cut there, and readers put it back: so
it begins records only. A photo's content is a header (flag, label, two ids) with the file's bytes after it; where flag
is not 0, that many float32 labels stand between, and the header's own label does not count.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

MAGIC = 0xCED7230A
MAGIC_BYTES = struct.pack("<I", MAGIC)
WORD_BYTES = 4
LENGTH_BITS = 29
WHOLE, FIRST, MIDDLE, LAST = range(4)
HEADER = struct.Struct("<IfQQ")
# What stands before the boxes in a detector's labels: its own length, and how many numbers a box has.
BOX_HEADER = (2.0, 5.0)


class RecordTooLongError(ValueError):
    """A record has more bytes than its length can say."""


@dataclass(frozen=True)
class Record:
    """`labels`: one number for a class; for boxes BOX_HEADER, then class, left, top, right, bottom in 0-1 of each."""

    key: int
    labels: tuple[float, ...]
    photo: Path


def write_records(records: Sequence[Record], path: Path) -> None:
    """`path` is the .rec file; the .idx file lies beside it. Both appear whole or not at all."""
    index = path.with_suffix(".idx")
    parts = [each.with_name(f".{each.name}.part") for each in (path, index)]
    try:
        with parts[0].open("wb") as stream, parts[1].open("w", encoding="ascii") as keys:
            for record in records:
                keys.write(f"{record.key}\t{stream.tell()}\n")
                write_record(stream, packed(record))
        parts[0].replace(path)
        parts[1].replace(index)
    finally:
        for part in parts:
            part.unlink(missing_ok=True)


def packed(record: Record) -> bytes:
    photo = record.photo.read_bytes()
    if len(record.labels) == 1:
        return HEADER.pack(0, record.labels[0], record.key, 0) + photo
    labels = struct.pack(f"<{len(record.labels)}f", *record.labels)
    return HEADER.pack(len(record.labels), 0.0, record.key, 0) + labels + photo


def box_labels(rows: Sequence[tuple[float, ...]]) -> tuple[float, ...]:
    return (*BOX_HEADER, *(value for row in rows for value in row))


def write_record(stream: BinaryIO, content: bytes) -> None:
    """Raises: RecordTooLongError."""
    if len(content) >= 1 << LENGTH_BITS:
        raise RecordTooLongError(f"a record has {len(content)} bytes; {(1 << LENGTH_BITS) - 1} are the most")
    for kind, part in _parts(content):
        stream.write(MAGIC_BYTES + struct.pack("<I", kind << LENGTH_BITS | len(part)))
        stream.write(part + bytes(-len(part) % WORD_BYTES))


def _parts(content: bytes) -> Iterator[tuple[int, bytes]]:
    cuts = list(_magic_words(content))
    starts = [0, *(cut + WORD_BYTES for cut in cuts)]
    ends = [*cuts, len(content)]
    for number, (start, end) in enumerate(zip(starts, ends, strict=True)):
        if not cuts:
            kind = WHOLE
        elif number == 0:
            kind = FIRST
        else:
            kind = LAST if number == len(cuts) else MIDDLE
        yield kind, content[start:end]


def _magic_words(content: bytes) -> Iterator[int]:
    place = content.find(MAGIC_BYTES)
    while place >= 0:
        if place % WORD_BYTES == 0:
            yield place
            place = content.find(MAGIC_BYTES, place + WORD_BYTES)
        else:
            place = content.find(MAGIC_BYTES, place + 1)
