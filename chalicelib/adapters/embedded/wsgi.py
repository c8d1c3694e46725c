"""WSGI in front of the Lambda handler: an HTTP request becomes an API Gateway event, its answer a response."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs
from uuid import uuid4

from chalice.local import RouteMatcher

Environ = dict[str, Any]
StartResponse = Callable[[str, list[tuple[str, str]]], Any]
Handler = Callable[[dict[str, Any], Any], dict[str, Any]]
DRAIN_BYTES = 256 * 1024 * 1024
CHUNK = 64 * 1024
JSON_AROUND_BYTES = 1024
NO_URL_PARTS = re.compile(r"[\t\r\n?#;]")


class LambdaWsgi:
    def __init__(self, handler: Handler, routes: list[str], max_body_bytes: int) -> None:
        self._handler = handler
        self._matcher = RouteMatcher(routes)
        self._max_body_bytes = max_body_bytes

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        response = self._handler(self._event(environ), None)
        body = _body(response)
        start_response(_status(response["statusCode"]), _headers(response, body, environ))
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    def _event(self, environ: Environ) -> dict[str, Any]:
        path = environ["PATH_INFO"].encode("latin-1").decode("utf-8", "replace")
        resource, parameters = self._match(path)
        body, is_too_large = _read(environ, self._limit(environ))
        context = {
            "httpMethod": environ["REQUEST_METHOD"],
            "resourcePath": resource,
            "path": path,
            "requestId": str(uuid4()),
            "identity": {"sourceIp": environ.get("REMOTE_ADDR", "")},
            "photoLimitBytes": self._max_body_bytes,
        }
        if is_too_large:
            context["bodyLimitExceeded"] = self._max_body_bytes
        query = parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
        return {
            "requestContext": context,
            "path": path,
            "headers": _request_headers(environ),
            "pathParameters": parameters,
            "stageVariables": {},
            "multiValueQueryStringParameters": query or None,
            "body": body,
            "isBase64Encoded": False,
        }

    def _limit(self, environ: Environ) -> int:
        """A photo in JSON is a third longer than its bytes, and these are what is limited."""
        is_json = environ.get("CONTENT_TYPE", "").partition(";")[0].strip().lower() == "application/json"
        return self._max_body_bytes * 4 // 3 + JSON_AROUND_BYTES if is_json else self._max_body_bytes

    def _match(self, path: str) -> tuple[str, dict[str, str]]:
        """Chalice's matcher reads a path as a URL, and leaves out line ends, a query and a fragment: here they stay."""
        if NO_URL_PARTS.search(path):
            return path, {}
        try:
            found = self._matcher.match_route(path)
        except ValueError:
            return path, {}
        return found.route, found.captured


def _read(environ: Environ, limit: int) -> tuple[bytes, bool]:
    """The body, and whether it was over the limit: then the rest is read and dropped, so that an answer can be sent."""
    length = environ.get("CONTENT_LENGTH") or ""
    stream = environ["wsgi.input"]
    if length.isdigit() and int(length) <= limit:
        return stream.read(int(length)), False
    if (
        not length
        and not environ.get("wsgi.input_terminated")
        and "chunked" not in environ.get("HTTP_TRANSFER_ENCODING", "")
    ):
        return b"", False
    kept = stream.read(limit + 1) if not length else b""
    if length or len(kept) > limit:
        _drain(stream, int(length) if length.isdigit() else DRAIN_BYTES)
        return b"", True
    return kept, False


def _drain(stream: Any, length: int) -> None:
    left = min(length, DRAIN_BYTES)
    while left > 0:
        read = len(stream.read(min(CHUNK, left)))
        if read == 0:
            return
        left -= read


def _request_headers(environ: Environ) -> dict[str, str]:
    headers = {name[5:].replace("_", "-").lower(): value for name, value in environ.items() if name.startswith("HTTP_")}
    for name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        if environ.get(name):
            headers[name.replace("_", "-").lower()] = environ[name]
    return headers


def _body(response: dict[str, Any]) -> bytes:
    body = response.get("body", "")
    if response.get("isBase64Encoded"):
        return base64.b64decode(body)
    if isinstance(body, bytes):
        return body
    return body.encode() if isinstance(body, str) else json.dumps(body).encode()


def _status(code: int) -> str:
    return f"{code} {HTTPStatus(code).phrase}"


def _headers(response: dict[str, Any], body: bytes, environ: Environ) -> list[tuple[str, str]]:
    headers = [(name, str(value)) for name, value in response.get("headers", {}).items()]
    for name, values in response.get("multiValueHeaders", {}).items():
        headers += [(name, str(value)) for value in values]
    if response["statusCode"] != 204:
        headers.append(("Content-Length", str(len(body))))
    return headers
