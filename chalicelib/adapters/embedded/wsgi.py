"""WSGI in front of the Lambda handler: an HTTP request becomes an API Gateway event, its answer a response."""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, ExitStack, closing
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs
from uuid import uuid4

from chalice.local import RouteMatcher

from chalicelib.adapters.embedded.request_body import BodyTooLargeError, BrokenBodyError, receive_body
from chalicelib.adapters.embedded.spool import Spool
from chalicelib.domain.errors import ServerBusyError
from device.runtime.memory_share import MemoryShare

Environ = dict[str, Any]
StartResponse = Callable[[str, list[tuple[str, str]]], Any]
Handler = Callable[[dict[str, Any], Any], dict[str, Any]]
Memory = Callable[[int], AbstractContextManager[None]]
JSON_AROUND_BYTES = 1024
INCOMING_BYTES = 16 * 1024 * 1024
# A photo in JSON or in a form is there two or three times while it is taken out.
WORK_TIMES = 3
SMALL_BYTES = 64 * 1024
HANDLED_AT_ONCE = 16
NO_URL_PARTS = re.compile(r"[\t\r\n?#;]")


class LambdaWsgi:
    """Bodies wait in `folder` until they are whole; then so many are worked on as `memory` allows. What has no body,
    `/health` above all, waits for nobody.
    """

    def __init__(self, handler: Handler, routes: list[str], max_body_bytes: int, memory: Memory, folder: Path) -> None:
        self._handler = handler
        self._memory = memory
        self._folder = folder
        self._incoming = MemoryShare(INCOMING_BYTES)
        self._handling = threading.Semaphore(HANDLED_AT_ONCE)
        self._matcher = RouteMatcher(routes)
        self._max_body_bytes = max_body_bytes

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        response = self._response(environ)
        body = _body(response)
        start_response(_status(response["statusCode"]), _headers(response, body, environ))
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    def _response(self, environ: Environ) -> dict[str, Any]:
        with ExitStack() as held:
            spool = held.enter_context(closing(Spool(self._incoming, self._folder)))
            unread = self._receive(environ, spool)
            body = b""
            if not unread:
                try:
                    held.enter_context(self._memory(_needed_bytes(spool.size)))
                    body = spool.read()
                except ServerBusyError as error:
                    unread = {"bodyUnread": error}
            if spool.size:
                held.enter_context(self._handling)
            return self._handler(self._event(environ, body, unread), None)

    def _event(self, environ: Environ, body: bytes, unread: dict[str, Any]) -> dict[str, Any]:
        path = environ["PATH_INFO"].encode("latin-1").decode("utf-8", "replace")
        resource, parameters = self._match(path)
        context = {
            "httpMethod": environ["REQUEST_METHOD"],
            "resourcePath": resource,
            "path": path,
            "requestId": str(uuid4()),
            "identity": {"sourceIp": environ.get("REMOTE_ADDR", "")},
            "photoLimitBytes": self._max_body_bytes,
            **unread,
        }
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

    def _receive(self, environ: Environ, spool: Spool) -> dict[str, Any]:
        """Why it cannot be read: the route refuses it, after it has looked at the key."""
        try:
            receive_body(environ, self._limit(environ), spool)
        except BodyTooLargeError:
            return {"bodyLimitExceeded": self._max_body_bytes}
        except BrokenBodyError as error:
            return {"bodyBroken": str(error)}
        except ServerBusyError as error:
            return {"bodyUnread": error}
        return {}

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


def _needed_bytes(size: int) -> int:
    return 0 if size <= SMALL_BYTES else size * WORK_TIMES


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
