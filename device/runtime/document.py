"""Reads fields of a JSON document; every error names the field's path and says what to do."""

from __future__ import annotations

import math
from typing import Any, Dict, List, Optional, Sequence, Tuple


class DocumentError(ValueError):
    """A field is missing or holds something else than it should."""


class Section:
    """A JSON object and where it stands in the document."""

    def __init__(self, value: Any, path: str = "") -> None:
        if not isinstance(value, dict):
            raise DocumentError("%s: must be an object, not %s" % (path or "the document", kind(value)))
        self.fields: Dict[str, Any] = value
        self.path = path

    def at(self, key: str) -> str:
        return "%s.%s" % (self.path, key) if self.path else key

    def has(self, key: str) -> bool:
        return self.fields.get(key) is not None

    def required(self, key: str) -> Any:
        if key not in self.fields:
            raise DocumentError("%s: is missing; package the model again" % self.at(key))
        return self.fields[key]

    def section(self, key: str) -> Section:
        return Section(self.required(key), self.at(key))

    def optional_section(self, key: str) -> Optional[Section]:
        return self.section(key) if self.has(key) else None

    def text(self, key: str) -> str:
        return text(self.required(key), self.at(key))

    def optional_text(self, key: str) -> Optional[str]:
        return self.text(key) if self.has(key) else None

    def choice(self, key: str, choices: Sequence[str]) -> str:
        return choice(self.required(key), self.at(key), choices)

    def integer(self, key: str, low: int, high: int) -> int:
        return integer(self.required(key), self.at(key), low, high)

    def number(self, key: str, low: float = -math.inf, high: float = math.inf) -> float:
        return number(self.required(key), self.at(key), low, high)

    def optional_number(self, key: str, low: float = -math.inf, high: float = math.inf) -> Optional[float]:
        return self.number(key, low, high) if self.has(key) else None

    def items(self, key: str) -> List[Tuple[Any, str]]:
        """The list's items, each with its path."""
        return items(self.required(key), self.at(key))

    def interval(self, key: str) -> Tuple[float, float]:
        """A list of two ascending numbers."""
        low, high = numbers(self.required(key), self.at(key), 2)
        if low > high:
            raise DocumentError("%s: the first number must not be above the second" % self.at(key))
        return low, high


def kind(value: Any) -> str:
    if value is None:
        return "null"
    names = {bool: "true or false", str: "text", list: "a list", dict: "an object", int: "a number", float: "a number"}
    return names.get(type(value), type(value).__name__)


def text(value: Any, path: str) -> str:
    if not isinstance(value, str) or not value:
        raise DocumentError("%s: must be a text that is not empty, not %s" % (path, kind(value) if value else "empty"))
    return value


def choice(value: Any, path: str, choices: Sequence[str]) -> str:
    if value not in choices:
        raise DocumentError("%s: must be one of %s, not %r" % (path, ", ".join(choices), value))
    return str(value)


def number(value: Any, path: str, low: float = -math.inf, high: float = math.inf) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise DocumentError("%s: must be a number, not %s" % (path, kind(value)))
    if not math.isfinite(value) or not low <= value <= high:
        raise DocumentError("%s: must be a finite number from %g to %g, not %r" % (path, low, high, value))
    return float(value)


def integer(value: Any, path: str, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise DocumentError("%s: must be a whole number, not %s" % (path, kind(value)))
    if not low <= value <= high:
        raise DocumentError("%s: must be from %d to %d, not %d" % (path, low, high, value))
    return value


def items(value: Any, path: str) -> List[Tuple[Any, str]]:
    if not isinstance(value, list):
        raise DocumentError("%s: must be a list, not %s" % (path, kind(value)))
    return [(item, "%s[%d]" % (path, index)) for index, item in enumerate(value)]


def numbers(value: Any, path: str, length: Optional[int] = None) -> Tuple[float, ...]:
    found = tuple(number(item, where) for item, where in items(value, path))
    if length is not None and len(found) != length:
        raise DocumentError("%s: must hold %d numbers, not %d" % (path, length, len(found)))
    return found
