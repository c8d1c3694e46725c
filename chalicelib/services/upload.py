"""Use cases of uploads: announce bytes, send them to the store, use them once."""

from __future__ import annotations

from dataclasses import dataclass, replace

from chalicelib.domain import records
from chalicelib.domain.errors import (
    BlobNotFoundError,
    PayloadTooLargeError,
    RecordNotFoundError,
    UploadNotFoundError,
    UploadUsedError,
    WriteConflictError,
)
from chalicelib.domain.ports import BlobStore, Clock, IdSource, Put, RecordStore, UploadTarget, UploadTerms
from chalicelib.domain.upload import MAX_IMAGE_BYTES, UPLOAD_LIFETIME_S, Upload


@dataclass(frozen=True)
class Uploads:
    store: RecordStore
    blobs: BlobStore
    clock: Clock
    new_id: IdSource

    def announce(self, owner: str, size_bytes: int, sha256: str, content_type: str) -> tuple[Upload, UploadTarget]:
        expires_at_s = int(self.clock()) + UPLOAD_LIFETIME_S
        upload = Upload(self.new_id(), owner, size_bytes, sha256, content_type, expires_at_s)
        try:
            self.store.write(Put(records.upload_record(upload), expected_version=0))
        except WriteConflictError:
            # The same request again, whose first answer never arrived: its id derives from its Idempotency-Key.
            upload = self.get(upload.id)
        terms = UploadTerms(upload.blob_name, size_bytes, sha256, content_type, upload.expires_at_s)
        return upload, self.blobs.upload_target(terms)

    def get(self, upload_id: str) -> Upload:
        """Raises: UploadNotFoundError."""
        refusal = UploadNotFoundError(f"There is no upload '{upload_id}'; POST /uploads announces one.")
        try:
            upload = records.upload_from(self.store.get(records.upload_key(upload_id)))
        except RecordNotFoundError as error:
            raise refusal from error
        if upload.keep_until_s < self.clock():
            raise refusal
        return upload

    def usable(self, upload_id: str, owner: str) -> Upload:
        """An upload whose bytes are there and not used yet. Raises: UploadNotFoundError, UploadUsedError."""
        upload = self.get(upload_id)
        if upload.owner != owner:
            raise UploadNotFoundError(f"Upload '{upload_id}' was announced with another key; announce your own.")
        if upload.used:
            raise _used(upload_id)
        if not self.blobs.exists(upload.blob_name):
            raise UploadNotFoundError(f"Upload '{upload_id}' was announced, but its bytes never came; PUT them first.")
        return upload

    def use(self, upload: Upload) -> Put:
        """The write that uses it up, for the transaction that it is used in."""
        return Put(records.upload_record(replace(upload, used=True)), expected_version=upload.record_version)

    def claim(self, upload_id: str, owner: str) -> Upload:
        """The upload, marked as used. Raises: UploadNotFoundError, UploadUsedError."""
        upload = self.usable(upload_id, owner)
        try:
            self.store.write(self.use(upload))
        except WriteConflictError as error:
            raise _used(upload_id) from error
        return upload

    def usable_photo(self, upload_id: str, owner: str) -> Upload:
        """Raises: UploadNotFoundError, UploadUsedError, PayloadTooLargeError."""
        upload = self.usable(upload_id, owner)
        if upload.bytes > MAX_IMAGE_BYTES:
            raise PayloadTooLargeError(f"A photo has {MAX_IMAGE_BYTES:,} bytes at the most; send a smaller one.")
        return upload

    def photo(self, upload: Upload) -> bytes:
        """Its bytes. It is not used up yet: what fails for no fault of its own can be asked again.

        Raises: UploadUsedError.
        """
        try:
            with self.blobs.open(upload.blob_name) as stream:
                return stream.read()
        except BlobNotFoundError as error:
            raise _used(upload.id) from error

    def use_up(self, upload: Upload) -> None:
        """Raises: UploadUsedError when somebody else has used it meanwhile."""
        self.claim(upload.id, upload.owner)
        self.release(upload)

    def release(self, upload: Upload) -> None:
        """The bytes are not needed any more."""
        self.blobs.delete(upload.blob_name)


def _used(upload_id: str) -> UploadUsedError:
    return UploadUsedError(f"Upload '{upload_id}' was used already; announce another with POST /uploads.")
