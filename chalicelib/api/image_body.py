"""The photos inside a request: raw, multipart, base64 in JSON, or an upload announced before."""

from __future__ import annotations

import binascii
from contextlib import ExitStack
from dataclasses import dataclass
from io import BytesIO

from multipart import MultipartError, MultipartParser, parse_options_header

from chalicelib.api.call import Call
from chalicelib.api.schemas import PhotoDocument
from chalicelib.domain.errors import InvalidFieldError, MalformedBodyError, PayloadTooLargeError
from chalicelib.domain.upload import MAX_IMAGE_BYTES, Upload

MAX_PHOTOS = 16
MAX_REFERENCE_BYTES = 4096
# As it came, and without its metadata.
COPIES = 2
IMAGE_SIGNATURES = (b"\xff\xd8", b"\x89PNG", b"RIFF")


@dataclass(frozen=True)
class Photo:
    """`name` is what the sender calls it: the part's file name, else its field's. `upload`: it came by one."""

    name: str
    data: bytes
    upload: Upload | None = None


def photos_of(call: Call, held: ExitStack) -> list[Photo]:
    """At least one; what they take of the memory is given back by `held`.

    An image under any Content-Type is taken as it is: only a body that is not one is looked into.
    Raises: PayloadTooLargeError, MalformedBodyError, InvalidFieldError, UploadNotFoundError, UploadUsedError,
    ServerBusyError.
    """
    body = call.body
    if body.startswith(IMAGE_SIGNATURES):
        return [Photo("image", body)]
    if call.content_type == "multipart/form-data":
        return _parts(call, body)
    if call.content_type == "application/json" or body[:1] == b"{":
        return [_from_json(call, held)]
    return [Photo("image", body)]


def _from_json(call: Call, held: ExitStack) -> Photo:
    document = call.parsed(PhotoDocument)
    if document.upload is not None:
        return _uploaded(call, document.upload, held)
    try:
        data = binascii.a2b_base64(document.image or "", strict_mode=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidFieldError(
            "image: is not base64; send the photo's bytes encoded, without line breaks and without 'data:...,'."
        ) from error
    return Photo("image", _within_limit(call, data))


def _uploaded(call: Call, upload_id: str, held: ExitStack) -> Photo:
    # Who holds memory for a large body must not wait for more: two of them would wait for each other.
    if len(call.body) > MAX_REFERENCE_BYTES:
        raise PayloadTooLargeError(
            f"A body that names an upload has {MAX_REFERENCE_BYTES:,} bytes at the most.",
            upload="/uploads",
            limit_bytes=MAX_REFERENCE_BYTES,
        )
    upload = call.services.uploads.usable_photo(upload_id, call.caller.id)
    held.enter_context(call.services.working_memory(upload.bytes * COPIES))
    return Photo("image", call.services.uploads.photo(upload), upload)


def _within_limit(call: Call, data: bytes) -> bytes:
    """The embedded server says how much it takes of a photo, however it is wrapped; a Lambda is not sent more."""
    limit = int(call.request.context.get("photoLimitBytes", MAX_IMAGE_BYTES))
    if len(data) > limit:
        raise PayloadTooLargeError(
            f"The photo has {len(data):,} bytes, and {limit:,} fit into a request; announce it with POST /uploads and "
            f"send its id.",
            upload="/uploads",
            limit_bytes=limit,
        )
    return data


def _parts(call: Call, body: bytes) -> list[Photo]:
    _, options = parse_options_header(call.request.headers["content-type"])
    boundary = options.get("boundary")
    if not boundary:
        raise MalformedBodyError("multipart/form-data needs its boundary in Content-Type; let your HTTP client set it.")
    try:
        return _read_parts(body, boundary)
    except MultipartError as error:
        raise MalformedBodyError(f"The multipart body cannot be read ({_reason(error)}).") from error


def _read_parts(body: bytes, boundary: str) -> list[Photo]:
    in_memory = len(body) + 1
    parser = MultipartParser(
        BytesIO(body),
        boundary,
        len(body),
        strict=True,
        part_limit=MAX_PHOTOS + 1,
        spool_limit=in_memory,
        memory_limit=in_memory,
    )
    photos: list[Photo] = []
    for part in parser:
        if len(photos) == MAX_PHOTOS:
            raise PayloadTooLargeError(
                f"At most {MAX_PHOTOS} photos fit into one request; send the others in another.", upload="/uploads"
            )
        photos.append(Photo(part.filename or part.name, part.raw))
    if not photos:
        raise MalformedBodyError("The multipart body has no part; send the photo as a file field.")
    return photos


def _reason(error: MultipartError) -> str:
    is_name = any(isinstance(each, UnicodeDecodeError) for each in error.args)
    return "the header of a part is not UTF-8" if is_name else str(error)
