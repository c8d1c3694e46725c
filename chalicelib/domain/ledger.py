"""The append-only record of what changed: each entry carries the hash of the one before."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

GENESIS = "0" * 64


@dataclass(frozen=True)
class LedgerEntry:
    number: int
    at_s: float
    actor: str
    action: str
    subject: str
    details: Mapping[str, Any]
    previous: str
    hash: str

    def to_body(self) -> dict[str, Any]:
        return {
            "number": self.number,
            "at_s": self.at_s,
            "actor": self.actor,
            "action": self.action,
            "subject": self.subject,
            "details": dict(self.details),
            "previous": self.previous,
            "hash": self.hash,
        }


@dataclass(frozen=True)
class LedgerHead:
    number: int
    hash: str
    record_version: int


@dataclass(frozen=True)
class Change:
    """What is to be written down: who did what to what."""

    actor: str
    action: str
    subject: str
    details: Mapping[str, Any]


def entry_hash(body: Mapping[str, Any]) -> str:
    """SHA-256 of the entry's canonical JSON (sorted keys, no spaces), its own `hash` left out."""
    payload = {name: value for name, value in body.items() if name != "hash"}
    return hashlib.sha256(json.dumps(payload, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def append(head: LedgerHead, change: Change, at_s: float) -> LedgerEntry:
    body: dict[str, Any] = {
        "number": head.number + 1,
        "at_s": at_s,
        "actor": change.actor,
        "action": change.action,
        "subject": change.subject,
        "details": dict(change.details),
        "previous": head.hash,
    }
    return LedgerEntry(**body, hash=entry_hash(body))


def entry_from_body(body: Mapping[str, Any]) -> LedgerEntry:
    return LedgerEntry(**body)


def first_fault(entries: Iterable[LedgerEntry], after: LedgerHead | None = None) -> str | None:
    """The first entry that does not follow from the one before, as a sentence; None when the chain is whole."""
    number, previous = (after.number, after.hash) if after else (0, GENESIS)
    for entry in entries:
        if entry.number != number + 1:
            return f"Entry {number + 1} is missing: the next one is {entry.number}."
        if entry.previous != previous:
            return f"Entry {entry.number} does not name the hash of entry {number}."
        if entry_hash(entry.to_body()) != entry.hash:
            return f"Entry {entry.number} was changed: its hash is not that of its content."
        number, previous = entry.number, entry.hash
    return None
