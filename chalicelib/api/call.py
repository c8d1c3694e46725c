"""One request as a route sees it: parsed where it fits, refused by name where it does not."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from chalice.app import Request
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from chalicelib.domain.access import AccessKey
from chalicelib.domain.errors import (
    InvalidFieldError,
    InvalidQueryError,
    MalformedBodyError,
    PayloadTooLargeError,
    UnsupportedMediaTypeError,
)
from chalicelib.domain.ports import Cursor
from chalicelib.services.suite import Services

T = TypeVar("T", bound=BaseModel)
DEFAULT_PAGE = 50
MAX_PAGE = 200
MAX_FIELD_ERRORS = 20
# Python needs a hundred bytes for what JSON says in three; photos in base64 have none of these marks.
MAX_VALUES = 100_000
JSON_MARKS = (b"[", b"{", b",")
PACKED = frozenset({"gzip", "x-gzip", "deflate", "br", "zstd", "compress", "x-compress"})


@dataclass(frozen=True)
class Call:
    request: Request
    services: Services
    caller: AccessKey
    request_id: str

    @property
    def actor(self) -> str:
        """Who the ledger names."""
        return f"key:{self.caller.id}"

    @property
    def content_type(self) -> str:
        """The media type alone, in lower case; '' when the client names none."""
        return str(self.request.headers.get("content-type", "")).split(";")[0].strip().lower()

    @property
    def body(self) -> bytes:
        """Raises: PayloadTooLargeError, MalformedBodyError, UnsupportedMediaTypeError, ServerBusyError."""
        self._refuse_packed()
        limit = self.request.context.get("bodyLimitExceeded")
        if limit is not None:
            raise PayloadTooLargeError(
                f"The body is over {limit:,} bytes; announce it with POST /uploads and send its id.",
                upload="/uploads",
                limit_bytes=limit,
            )
        unread = self.request.context.get("bodyUnread")
        if unread is not None:
            raise unread
        broken = self.request.context.get("bodyBroken")
        if broken is not None:
            raise MalformedBodyError(f"{broken} Send it again, whole.")
        event = self.request.to_original_event()
        try:
            if event.get("isBase64Encoded"):
                # Chalice's own decoding copies the text first: a quarter more time, and a photo is all of it.
                return binascii.a2b_base64(event["body"] or "", strict_mode=True)
            body = self.request.raw_body
        except (binascii.Error, ValueError) as error:
            raise MalformedBodyError("The body is not the base64 that the gateway announced; send it again.") from error
        return body.encode() if isinstance(body, str) else bytes(body)

    def _refuse_packed(self) -> None:
        codings = str(self.request.headers.get("content-encoding", "")).lower().split(",")
        packed = PACKED.intersection(coding.strip() for coding in codings)
        if packed:
            raise UnsupportedMediaTypeError(f"Bodies are read as they are; send this one without {min(packed)}.")

    def parsed(self, schema: type[T]) -> T:
        """The JSON body as `schema`. Raises: MalformedBodyError, InvalidFieldError naming every field at fault."""
        return _validated(self._document(), schema)

    def parsed_by_member(self, schemas: Mapping[str, type[T]]) -> T:
        """The JSON body as the schema whose member it has. Raises: MalformedBodyError, InvalidFieldError."""
        document = self._document()
        given = [name for name in schemas if isinstance(document, dict) and name in document]
        if len(given) != 1:
            names = ", ".join(f"'{name}'" for name in schemas)
            reason = f"give one of {names}, and no other of them"
            raise InvalidFieldError(f"body: {reason}.", errors=[{"field": "body", "reason": reason}])
        return _validated(document, schemas[given[0]])

    def _document(self) -> Any:
        body = self.body
        if sum(map(body.count, JSON_MARKS)) > MAX_VALUES:
            raise MalformedBodyError(f"The body has more than {MAX_VALUES:,} values, which no request here needs.")
        try:
            return json.loads(body or b"{}", parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            raise MalformedBodyError(f"The body is not JSON: {error}.") from error

    def query(self, name: str) -> str | None:
        """Raises: InvalidQueryError when it is given twice: nobody could say which one is meant."""
        given: Mapping[str, list[str]] = self.request.to_original_event()["multiValueQueryStringParameters"] or {}
        values = given.get(name) or []
        if len(values) > 1:
            raise InvalidQueryError(f"'{name}' is given {len(values)} times; give it once.")
        return values[0] if values else None

    def refuse_other_queries(self, *known: str) -> None:
        """A filter that is misspelt must not answer as if it were not there. Raises: InvalidQueryError."""
        given = self.request.to_original_event()["multiValueQueryStringParameters"] or {}
        unknown = sorted(set(given) - set(known))
        if unknown:
            raise InvalidQueryError(f"'{unknown[0][:80]}' is no parameter of this route; it has {', '.join(known)}.")

    def limit(self) -> int:
        """Raises: InvalidQueryError."""
        text = self.query("limit")
        if text is None:
            return DEFAULT_PAGE
        if not (text.isascii() and text.isdigit() and 1 <= int(text) <= MAX_PAGE):
            raise InvalidQueryError(f"limit={text!r} does not fit; it is a number from 1 to {MAX_PAGE}.")
        return int(text)

    def cursor(self) -> Cursor | None:
        """Where the page begins. Raises: InvalidQueryError."""
        text = self.query("cursor")
        return None if text is None else decode_cursor(text)


def _validated(document: Any, schema: type[T]) -> T:
    try:
        return schema.model_validate(document)
    except ValidationError as error:
        raise InvalidFieldError(_summary(error), errors=_field_errors(error)) from error


def encode_cursor(cursor: Cursor | None) -> str | None:
    if cursor is None:
        return None
    return base64.urlsafe_b64encode(json.dumps(cursor).encode()).decode().rstrip("=")


def decode_cursor(text: str) -> Cursor:
    try:
        parts = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except ValueError as error:
        raise InvalidQueryError("This cursor is not one of ours; take 'next' from the page before.") from error
    if not (isinstance(parts, list) and parts and all(isinstance(part, str) for part in parts)):
        raise InvalidQueryError("This cursor is not one of ours; take 'next' from the page before.")
    return tuple(parts)


def page_json(items: list[dict[str, Any]], following: Cursor | None) -> dict[str, Any]:
    return {"items": items, "next": encode_cursor(following)}


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _field_errors(error: ValidationError) -> list[dict[str, str]]:
    """A member's name is the caller's own and may be of any length."""
    items = error.errors(include_url=False, include_context=False, include_input=False)[:MAX_FIELD_ERRORS]
    return [{"field": ".".join(map(str, item["loc"]))[:120] or "body", "reason": _reason(item)} for item in items]


def _reason(item: ErrorDetails) -> str:
    """In the caller's words: pydantic names its own, and the class."""
    if item["type"] == "model_type":
        return "Input should be an object"
    return item["msg"].removeprefix("Value error, ")


def _summary(error: ValidationError) -> str:
    first = _field_errors(error)[0]
    more = error.error_count() - 1
    return f"{first['field']}: {first['reason']}." + (f" And {more} more; see 'errors'." if more else "")
