"""One start of the agent: a random id, announced together with the last start that the service has heard of."""

from __future__ import annotations

import logging
import uuid
from pathlib import Path
from typing import Optional

from device.durable import read_json, write_json

log = logging.getLogger(__name__)


class Boot:
    def __init__(self, path: Path) -> None:
        """path: of the file that remembers the last start whose report was answered."""
        self._path = path
        previous = read_json(path).get("answered")
        self.id = uuid.uuid4().hex
        self.previous: Optional[str] = previous if isinstance(previous, str) else None
        self._is_written = False

    def answered(self) -> None:
        """The service has heard of this start."""
        if self._is_written:
            return
        try:
            write_json(self._path, {"answered": self.id})
            self._is_written = True
        except OSError as error:
            log.error("this start cannot be written down; the next one may be taken for a stranger: %s", error)
