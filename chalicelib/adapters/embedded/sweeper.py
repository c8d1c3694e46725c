"""What DynamoDB's TTL and the bucket's lifecycle rule do on AWS: records past their time go, and uploads a day old."""

from __future__ import annotations

from dataclasses import dataclass

from chalicelib.adapters.embedded.folder_blobs import FolderBlobs
from chalicelib.adapters.embedded.sqlite_store import SqliteStore
from chalicelib.domain.upload import FOLDER, KEEP_S


@dataclass(frozen=True)
class Sweeper:
    store: SqliteStore
    blobs: FolderBlobs

    def sweep(self, now_s: float) -> None:
        """Raises: StoreUnavailableError."""
        self.store.delete_expired(now_s)
        self.blobs.delete_older(FOLDER, now_s - KEEP_S)
