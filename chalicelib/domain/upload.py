"""An announced upload: what may be written, by whom, until when, and whether it was used."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

UPLOAD_LIFETIME_S = 900
KEEP_S = 24 * 3600
FOLDER = "uploads"
MAX_IMAGE_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True)
class Upload:
    id: str
    owner: str
    bytes: int
    sha256: str
    content_type: str
    expires_at_s: int
    used: bool = False
    record_version: int = 0

    @property
    def blob_name(self) -> str:
        return f"{FOLDER}/{self.id}"

    @property
    def keep_until_s(self) -> int:
        return self.expires_at_s + KEEP_S

    def to_body(self) -> dict[str, Any]:
        body = asdict(self)
        del body["record_version"]
        return body
