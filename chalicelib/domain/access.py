"""Keys, and what each may call."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from enum import Enum

TOKEN_PREFIX = "bsk"


class Scope(Enum):
    INFERENCE = "inference"
    DEVICE = "device"
    ENROL = "enrol"
    ADMIN = "admin"


@dataclass(frozen=True)
class AccessKey:
    """A bearer key as it is stored: its hash, never the key."""

    id: str
    sha256: str
    scopes: frozenset[Scope]
    name: str
    created_at_s: float
    device_id: str | None = None

    def allows(self, scope: Scope) -> bool:
        """`admin` may call every route but those bound to one device's id."""
        return scope in self.scopes or (Scope.ADMIN in self.scopes and scope is not Scope.DEVICE)

    def matches(self, token: str) -> bool:
        return hmac.compare_digest(self.sha256, token_hash(token))


def token_hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def make_token(key_id: str, secret: str) -> str:
    return f"{TOKEN_PREFIX}_{key_id}_{secret}"


def key_id_of(token: str, prefix: str = TOKEN_PREFIX) -> str | None:
    """The id inside a token that begins with `prefix`; None for any other string."""
    given, _, rest = token.partition("_")
    key_id, _, secret = rest.partition("_")
    return key_id if given == prefix and key_id and secret else None
