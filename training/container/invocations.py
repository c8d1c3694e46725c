"""SageMaker's serving contract over WSGI: GET /ping, POST /invocations.

/invocations takes the bytes of one JPEG, PNG or WebP under any content type and answers

    200 {"answer": {...}, "timings_ms": {...}, "cold": bool}     the decided answer, as the API gives it
    400 problem+json with "reason" and "detail"                  the photo is refused (device/runtime/image_errors.py)
    500 problem+json with "reason" and "detail"                  the model fails on it

chalicelib/adapters/aws/wire/binsight.py is the other end.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

from device.runtime.decision import ModelOutputError
from device.runtime.engines import EngineError
from device.runtime.image_errors import InvalidImageError
from device.runtime.predictor import Predictor

Environ = dict[str, Any]
StartResponse = Callable[[str, list[tuple[str, str]]], Any]

# SageMaker's own limit for real-time endpoints; serverless ones stop at 4 MB before anything comes here.
MAX_BODY_BYTES = 25 * 1024 * 1024
CHUNK_BYTES = 256 * 1024
PROBLEM_JSON = "application/problem+json"
PROBLEM_PREFIX = "urn:binsight:problem:"


class BodyTooLargeError(ValueError):
    """More bytes than a photo ever has."""


class Invocations:
    def __init__(self, predictor: Predictor, is_first: Callable[[], bool]) -> None:
        """`is_first`: true once, for the first photo that the whole container answers."""
        self._predictor = predictor
        self._is_first = is_first

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        if path == "/ping" and method in ("GET", "HEAD"):
            return _send(start_response, HTTPStatus.OK, b"", "text/plain")
        if path != "/invocations":
            return _refuse(start_response, HTTPStatus.NOT_FOUND, "unknown-path", "GET /ping or POST /invocations.")
        if method != "POST":
            return _refuse(start_response, HTTPStatus.METHOD_NOT_ALLOWED, "method-not-allowed", "POST a photo.")
        try:
            body = read_body(environ)
        except BodyTooLargeError as error:
            return _refuse(start_response, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "payload-too-large", str(error))
        return self._invoke(body, start_response)

    def _invoke(self, photo: bytes, start_response: StartResponse) -> Iterable[bytes]:
        cold = self._is_first()
        try:
            answer = self._predictor.predict(photo)
        except InvalidImageError as error:
            return _refuse(start_response, HTTPStatus.BAD_REQUEST, error.reason, str(error))
        except (EngineError, ModelOutputError) as error:
            return _refuse(start_response, HTTPStatus.INTERNAL_SERVER_ERROR, "model-failed", str(error))
        document = {"answer": answer.result.to_json(), "timings_ms": dict(answer.timings_ms), "cold": cold}
        return _send(start_response, HTTPStatus.OK, _json(document), "application/json")


def read_body(environ: Environ) -> bytes:
    """Raises: BodyTooLargeError, once all of it was read and dropped, so that an answer can be sent."""
    length, stream = environ.get("CONTENT_LENGTH") or "", environ["wsgi.input"]
    if length.isdigit() and int(length) <= MAX_BODY_BYTES:
        return bytes(stream.read(int(length)))
    kept, size = [], 0
    while chunk := stream.read(CHUNK_BYTES):
        size += len(chunk)
        if size <= MAX_BODY_BYTES:
            kept.append(chunk)
    if size > MAX_BODY_BYTES:
        raise BodyTooLargeError(f"the body has {size} bytes; send at most {MAX_BODY_BYTES}")
    return b"".join(kept)


def _refuse(start_response: StartResponse, status: HTTPStatus, reason: str, detail: str) -> Iterable[bytes]:
    problem = {
        "type": PROBLEM_PREFIX + reason,
        "title": status.phrase,
        "status": status.value,
        "reason": reason,
        "detail": detail,
    }
    return _send(start_response, status, _json(problem), PROBLEM_JSON)


def _json(document: dict[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":"), allow_nan=False).encode()


def _send(start_response: StartResponse, status: HTTPStatus, body: bytes, content_type: str) -> Iterable[bytes]:
    headers = [("Content-Type", content_type), ("Content-Length", str(len(body)))]
    start_response(f"{status.value} {status.phrase}", headers)
    return [body]
