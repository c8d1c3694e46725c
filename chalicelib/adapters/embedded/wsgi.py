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

from chalicelib.adapters.embedded.request_body import BodyTooLargeError, BrokenBodyError, read_body

Environ = dict[str, Any]
StartResponse = Callable[[str, list[tuple[str, str]]], Any]
Handler = Callable[[dict[str, Any], Any], dict[str, Any]]
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
        context = {
            "httpMethod": environ["REQUEST_METHOD"],
            "resourcePath": resource,
            "path": path,
            "requestId": str(uuid4()),
            "identity": {"sourceIp": environ.get("REMOTE_ADDR", "")},
            "photoLimitBytes": self._max_body_bytes,
        }
        body = self._body(environ, context)
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

    def _body(self, environ: Environ, context: dict[str, Any]) -> bytes:
        """What cannot be read is refused by the route, after it has looked at the key."""
        try:
            return read_body(environ, self._limit(environ))
        except BodyTooLargeError:
            context["bodyLimitExceeded"] = self._max_body_bytes
        except BrokenBodyError as error:
            context["bodyBroken"] = str(error)
        return b""

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
