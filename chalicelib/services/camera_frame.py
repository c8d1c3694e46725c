"""Use cases of sampled frames: announce one, which is then sent to the store itself, and find them again."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from chalicelib.domain import camera_records as camera
from chalicelib.domain import records
from chalicelib.domain.camera_frame import CameraFrame
from chalicelib.domain.errors import WriteConflictError
from chalicelib.domain.ports import BlobStore, Clock, Cursor, Index, Put, RecordStore, UploadTarget, UploadTerms
from chalicelib.domain.upload import UPLOAD_LIFETIME_S, Upload

URL_S = 900


@dataclass(frozen=True)
class CameraFrames:
    """Past `keep_s` a frame is not shown; the store's TTL and the bucket's lifecycle rule remove record and bytes."""

    store: RecordStore
    blobs: BlobStore
    clock: Clock
    keep_s: int

    def announce(self, frame: CameraFrame, owner: str) -> UploadTarget:
        """A place that takes exactly this frame, once."""
        now_s = self.clock()
        upload = Upload(frame.id, owner, frame.bytes, frame.sha256, "image/jpeg", int(now_s) + UPLOAD_LIFETIME_S)
        known = Put(camera.frame_record(frame, int(now_s) + self.keep_s), expected_version=0)
        # Announced before: the answer or the bytes were lost.
        with suppress(WriteConflictError):
            self.store.write(known)
        self.store.write(Put(records.upload_record(upload), expected_version=None))
        terms = UploadTerms(frame.blob_name, frame.bytes, frame.sha256, "image/jpeg", upload.expires_at_s)
        return self.blobs.upload_target(terms)

    def page(
        self, partition: str, index: Index, after: Cursor | None, limit: int
    ) -> tuple[list[tuple[CameraFrame, str | None]], Cursor | None]:
        """Newest first, each with where to fetch it; None while its bytes have not come."""
        page = self.store.query(partition, index=index, after=after, limit=limit, newest_first=True)
        oldest_s = self.clock() - self.keep_s
        frames = [camera.frame_from(record) for record in page.records]
        return [(each, self._url(each)) for each in frames if each.received_at_s > oldest_s], page.next

    def _url(self, frame: CameraFrame) -> str | None:
        return self.blobs.download_url(frame.blob_name, URL_S) if self.blobs.exists(frame.blob_name) else None
