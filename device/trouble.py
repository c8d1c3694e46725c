"""A trouble that lasts is said when it begins, when it changes and when it is over; not once a frame."""

from __future__ import annotations

import logging


class Trouble:
    """Used by one thread, or under its user's lock."""

    def __init__(self, log: logging.Logger, message: str, over: str = "") -> None:
        """message: with one %s for what is wrong."""
        self._log, self._message, self._over = log, message, over
        self._last = ""

    def note(self, what: object) -> None:
        """An error, or a text. The file's name, which changes with every try, is left out of the disk's complaints."""
        text = "%s: %s" % (type(what).__name__, what) if isinstance(what, Exception) else str(what)
        if isinstance(what, OSError) and what.strerror:
            text = what.strerror
        if text != self._last:
            self._log.warning(self._message, text)
        self._last = text

    def over(self) -> None:
        if self._last and self._over:
            self._log.info(self._over)
        self._last = ""
