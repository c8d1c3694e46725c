"""Where a request's body waits until it is whole: in memory while there is some, then on the disk."""

from __future__ import annotations

import tempfile
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from chalicelib.domain.errors import ServerBusyError
from device.runtime.memory_share import MemoryShare


class Spool:
    """Clients that send slowly hold a share of the memory at the most, however many they are."""

    def __init__(self, share: MemoryShare, folder: Path) -> None:
        self._share = share
        self._folder = folder
        self._memory: BytesIO | None = BytesIO()
        self._file: BinaryIO | None = None
        self._taken = 0
        self.size = 0

    def write(self, piece: bytes) -> None:
        """Raises: ServerBusyError when there is no room on the disk either."""
        self.size += len(piece)
        if self._memory is not None and self._share.take_at_once(len(piece)):
            self._taken += len(piece)
            self._memory.write(piece)
            return
        try:
            self._write_to_disk(piece)
        except OSError as error:
            raise ServerBusyError("There is no room for another large request now.", retry_after_s=60) from error

    def read(self) -> bytes:
        """The whole of it, in memory."""
        if self._memory is not None:
            return self._memory.getvalue()
        assert self._file is not None, "what is not in memory is in the file"
        self._file.seek(0)
        return self._file.read(self.size)

    def close(self) -> None:
        self._share.give_back(self._taken)
        self._taken = 0
        self._memory = None
        if self._file is not None:
            self._file.close()

    def _write_to_disk(self, piece: bytes) -> None:
        if self._memory is not None:
            self._move_to_disk(self._memory)
        assert self._file is not None, "what is not in memory is in the file"
        self._file.write(piece)

    def _move_to_disk(self, memory: BytesIO) -> None:
        self._file = tempfile.TemporaryFile(dir=self._folder, buffering=0)  # noqa: SIM115 - `close` ends it
        self._file.write(memory.getbuffer())
        self._memory = None
        self._share.give_back(self._taken)
        self._taken = 0
