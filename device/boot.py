"""One start of the agent: a random id, announced together with an earlier start that the service has heard of."""

from __future__ import annotations

import logging
import uuid
from pathlib import Path
from typing import Any, Dict, List, Optional

from device.durable import read_json, write_json
from device.trouble import Trouble

log = logging.getLogger(__name__)
_MOST_UNSURE = 16


class Boot:
    """A start that was killed before its first answer may have been heard or not: which, only the service knows.

    So every start is written down before it speaks, and another one is announced when the service does not know the
    one that was.
    """

    def __init__(self, path: Path) -> None:
        """path: of the file that remembers the earlier starts."""
        self._path = path
        document = read_json(path)
        answered, unsure = document.get("answered"), document.get("unsure")
        self.id = uuid.uuid4().hex
        self._answered: Optional[str] = answered if isinstance(answered, str) else None
        self._unsure = [str(each) for each in unsure] if isinstance(unsure, list) else []
        self._candidates: List[Optional[str]] = [self._answered, *reversed(self._unsure)]
        self._at = 0
        self._written: Dict[str, Any] = {}
        self._trouble = Trouble(log, "this start cannot be written down; the next one may be taken for a stranger: %s")

    @property
    def previous(self) -> Optional[str]:
        return self._candidates[self._at]

    def begins_to_speak(self) -> None:
        """Before a report is sent: the service may hear it, and its answer may never come."""
        if self._written.get("answered") != self.id:
            self._write({"answered": self._answered, "unsure": [*self._unsure, self.id][-_MOST_UNSURE:]})

    def answered(self) -> None:
        """The service has heard of this start."""
        self._write({"answered": self.id, "unsure": []})

    def try_another(self) -> bool:
        """The service does not know the start that was announced. False when all of them were tried."""
        self._at = (self._at + 1) % len(self._candidates)
        return self._at != 0

    def _write(self, document: Dict[str, Any]) -> None:
        if document == self._written:
            return
        try:
            write_json(self._path, document)
            self._written = document
        except OSError as error:
            self._trouble.note(error)
