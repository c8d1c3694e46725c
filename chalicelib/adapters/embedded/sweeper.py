"""What DynamoDB's TTL and the bucket's lifecycle rules do on AWS: what is past its time goes, records and files."""

from __future__ import annotations

from dataclasses import dataclass

from chalicelib.adapters.embedded.folder_blobs import FolderBlobs
from chalicelib.adapters.embedded.sqlite_store import SqliteStore
from chalicelib.domain import camera_frame, upload

AT_ONCE = 1000
MOST_ROUNDS = 100


@dataclass(frozen=True)
class Sweeper:
    store: SqliteStore
    blobs: FolderBlobs

    def sweep(self, now_s: float) -> None:
        """Raises: StoreUnavailableError."""
        for _ in range(MOST_ROUNDS):
            if self.store.delete_expired(now_s, AT_ONCE) < AT_ONCE:
                break
        for folder, keep_s in ((upload.FOLDER, upload.KEEP_S), (camera_frame.FOLDER, camera_frame.KEEP_S)):
            self.blobs.delete_older(folder, now_s - keep_s)
