"""A request's body: never more of it in memory than is asked for, and whole or not at all."""

from __future__ import annotations

import re
from typing import Any, BinaryIO

from chalicelib.adapters.embedded.spool import Spool

CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,12})[ \t]*(;.*)?\r\n")
MAX_LINE_BYTES = 4096
# Each costs a few microseconds, and 10 MB in bytes would be ten million.
MAX_CHUNKS = 100_000
MAX_TRAILERS = 64
PIECE_BYTES = 64 * 1024
DRAIN_BYTES = 256 * 1024 * 1024


class BodyError(ValueError):
    """The message says what is wrong with the body."""


class BrokenBodyError(BodyError):
    """It ends early, or is not what its headers say; what follows on the connection cannot be read."""


class BodyTooLargeError(BodyError):
    """It has more bytes than are taken."""


class ChunkedBody:
    """A body that comes in chunks, read in pieces of any size."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._chunk_left = 0
        self._chunks = 0
        self._ended = False
        self._broken = False

    def read(self, size: int) -> bytes:
        """`size` bytes, fewer at the end. Raises: BrokenBodyError."""
        pieces, left = [], size
        try:
            while left > 0 and (self._chunk_left or self._begin_chunk()):
                piece = self._exactly(min(left, self._chunk_left, PIECE_BYTES))
                self._chunk_left -= len(piece)
                left -= len(piece)
                pieces.append(piece)
                if self._chunk_left == 0:
                    self._end_line()
        except BrokenBodyError:
            self._ended = self._broken = True
            raise
        return b"".join(pieces)

    @property
    def is_broken(self) -> bool:
        return self._broken

    def _begin_chunk(self) -> bool:
        """False at the end of the body."""
        if self._ended:
            return False
        found = CHUNK_SIZE.fullmatch(self._stream.readline(MAX_LINE_BYTES))
        if not found:
            raise BrokenBodyError("A chunk's size is not a hexadecimal number.")
        self._chunks += 1
        if self._chunks > MAX_CHUNKS:
            raise BrokenBodyError(f"The body has more than {MAX_CHUNKS:,} chunks; send larger ones.")
        self._chunk_left = int(found[1], 16)
        if self._chunk_left == 0:
            self._skip_trailers()
            self._ended = True
        return not self._ended

    def _exactly(self, size: int) -> bytes:
        piece = self._stream.read(size)
        if len(piece) < size:
            raise BrokenBodyError("The body breaks off inside a chunk.")
        return piece

    def _end_line(self) -> None:
        if self._stream.read(2) != b"\r\n":
            raise BrokenBodyError("A chunk is longer than its size, or the body breaks off.")

    def _skip_trailers(self) -> None:
        for _ in range(MAX_TRAILERS):
            line = self._stream.readline(MAX_LINE_BYTES)
            if line == b"\r\n":
                return
            if not line.endswith(b"\n"):
                break
        raise BrokenBodyError("The body breaks off after its last chunk.")


def receive_body(environ: dict[str, Any], limit: int, spool: Spool) -> None:
    """The whole body, into `spool`. Raises: BodyTooLargeError, BrokenBodyError."""
    stream, announced = environ["wsgi.input"], environ.get("CONTENT_LENGTH")
    if announced is None and not environ.get("wsgi.input_terminated"):
        return
    if announced is not None and int(announced) > limit:
        raise BodyTooLargeError(f"The body is over {limit:,} bytes.")
    while spool.size <= limit and (piece := stream.read(min(PIECE_BYTES, limit + 1 - spool.size))):
        spool.write(piece)
    if spool.size > limit:
        raise BodyTooLargeError(f"The body is over {limit:,} bytes.")
    if announced is not None and spool.size < int(announced):
        raise BrokenBodyError(f"{announced} bytes were announced, and {spool.size} came.")


def drained(stream: Any) -> bool:
    """Whether nothing is left of the body that `stream` gives, after what was left has been read and dropped."""
    left = DRAIN_BYTES
    try:
        while left > 0:
            piece = stream.read(PIECE_BYTES)
            if not piece:
                break
            left -= len(piece)
    except (BrokenBodyError, OSError):
        return False
    return left > 0 and not getattr(stream, "remaining", 0) and not getattr(stream, "is_broken", False)
