"""The Chalice app: thread-local requests, request ids, CORS, and problem+json for what the framework refuses."""

from __future__ import annotations

import json
import re
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

from chalice.app import CaseInsensitiveMapping, Chalice, CORSConfig, Request, Response

from chalicelib.api.blueprint import Endpoint
from chalicelib.api.call import Call
from chalicelib.api.observation import RequestRecorder, logger, record_nothing
from chalicelib.api.once import answer_once
from chalicelib.api.problems import InternalError, problem_headers, problem_json
from chalicelib.domain.access import AccessKey, Scope
from chalicelib.domain.errors import (
    BinsightError,
    InvalidKeyError,
    MethodNotAllowedError,
    RouteNotFoundError,
)
from chalicelib.services.suite import Services

REQUEST_ID_HEADER = "X-Request-Id"
BINARY_TYPES = [
    "image/jpeg",
    "image/png",
    "image/webp",
    "image/*",
    "multipart/form-data",
    "application/octet-stream",
    "application/x-www-form-urlencoded",
    "application/x-image",
]
NOBODY = AccessKey("anonymous", "", frozenset(), "no key", 0.0)


class BinsightApp(Chalice):
    """Chalice keeps the current request on the app, which threads would share; here each thread has its own."""

    _thread = threading.local()

    def __init__(
        self,
        make_services: Callable[[], Services],
        cors_origin: str | None = None,
        record: RequestRecorder = record_nothing,
    ) -> None:
        """`make_services` runs on the first request: packaging imports the app without an account."""
        super().__init__(app_name="binsight", configure_logs=False)
        self.api.binary_types = BINARY_TYPES
        self._make_services = make_services
        self._services: Services | None = None
        self._services_lock = threading.Lock()
        self._cors = _cors(cors_origin)
        self._record = record

    @property
    def current_request(self) -> Request | None:
        return getattr(self._thread, "request", None)

    @current_request.setter
    def current_request(self, request: Request | None) -> None:
        self._thread.request = request

    @property
    def services(self) -> Services:
        if self._services is None:
            with self._services_lock:
                if self._services is None:
                    self._services = self._make_services()
        return self._services

    def add_endpoint(self, endpoint: Endpoint) -> None:
        def view(**path_parameters: str) -> Response:
            return self._answer(endpoint, path_parameters)

        name = f"{endpoint.view.__module__.rpartition('.')[2]}_{endpoint.view.__name__}"
        self.route(endpoint.path, name=name, methods=list(endpoint.methods), content_types=["*/*"], cors=self._cors)(
            view
        )

    def __call__(self, event: Any, context: Any) -> dict[str, Any]:
        """One API Gateway proxy event (REST API, payload 1.0) in, one proxy response out."""
        request_id = _request_id(event)
        self._thread.request_id = request_id
        logger.thread_safe_append_keys(request_id=request_id)
        started_s = time.perf_counter()
        try:
            response = self._finished(self._dispatched(event, context), event, request_id)
            self._record(_route(event, self.routes), response["statusCode"], (time.perf_counter() - started_s) * 1000)
            return response
        finally:
            # A thread that waits for its next request would hold the photo of the last one.
            self.current_request = None
            logger.thread_safe_clear_keys()

    def _dispatched(self, event: dict[str, Any], context: Any) -> dict[str, Any]:
        method, resource = event["requestContext"]["httpMethod"], event["requestContext"]["resourcePath"]
        methods = self.routes.get(resource)
        if methods is None:
            path = str(event.get("path", resource))[:200]
            return self._refusal(RouteNotFoundError(f"There is no {path}; see /openapi.yaml."))
        if method == "OPTIONS":
            return {"statusCode": 204, "headers": {"Allow": _allowed(methods)}, "body": ""}
        if method not in methods:
            allow = _allowed(methods)
            return self._refusal(MethodNotAllowedError(f"{resource} takes {allow}, not {method}.", allow=allow))
        response: dict[str, Any] = super().__call__(_taking_anything(event), context)
        if response["statusCode"] >= 400 and "problem+json" not in str(response["headers"]):
            return self._refusal(InternalError("Something broke here; tell us the request id."))
        return response

    def _answer(self, endpoint: Endpoint, path_parameters: dict[str, str]) -> Response:
        """The key is checked before anything about the body."""
        request = self.current_request
        assert request is not None, "Chalice sets the request before it calls a view"
        try:
            caller = self._authenticated(request, endpoint.scope)
            call = Call(request, self.services, caller, self._thread.request_id)
            return answer_once(endpoint, call, path_parameters)
        except BinsightError as error:
            logger.info("refused", extra={"problem": type(error).__name__, "path": request.path})
            return self._problem(error)
        except Exception:  # noqa: BLE001 - the outermost edge: reported, answered, and the process goes on
            logger.exception("unexpected error", extra={"path": request.path})
            return self._problem(InternalError("Something broke here; tell us the request id."))

    def _authenticated(self, request: Request, scope: Scope | None) -> AccessKey:
        if scope is None:
            return NOBODY
        caller = self.services.access.authenticate(_bearer(request.headers), scope)
        self.services.rate_limit(caller)
        return caller

    def _problem(self, error: BinsightError) -> Response:
        body = json.dumps(problem_json(error, self._thread.request_id))
        return Response(body, headers=problem_headers(error), status_code=json.loads(body)["status"])

    def _refusal(self, error: BinsightError) -> dict[str, Any]:
        return self._problem(error).to_dict()

    def _finished(self, response: dict[str, Any], event: dict[str, Any], request_id: str) -> dict[str, Any]:
        headers = response.setdefault("headers", {})
        headers[REQUEST_ID_HEADER] = request_id
        headers.setdefault("X-Content-Type-Options", "nosniff")
        if self._cors:
            headers.update(self._cors.get_access_control_headers())
            if event["requestContext"]["httpMethod"] == "OPTIONS":
                headers["Access-Control-Allow-Methods"] = headers.get("Allow", "GET,POST,OPTIONS")
        return response


def _cors(origin: str | None) -> CORSConfig | None:
    if not origin:
        return None
    return CORSConfig(
        allow_origin=origin,
        allow_headers=["Idempotency-Key", REQUEST_ID_HEADER],
        expose_headers=[REQUEST_ID_HEADER, "Retry-After"],
        max_age=600,
    )


def _taking_anything(event: dict[str, Any]) -> dict[str, Any]:
    """Chalice answers 400 instead of a photo to a client that names no binary type in Accept, curl's */* included."""
    headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    if headers.get("accept", "*/*") != "*/*":
        return event
    return {**event, "headers": {**headers, "accept": "image/png"}}


def _route(event: dict[str, Any], routes: Any) -> str:
    """The route's pattern, so that ids and unknown paths never become dimensions."""
    resource = event["requestContext"]["resourcePath"]
    return f"{event['requestContext']['httpMethod']} {resource}" if resource in routes else "unknown"


def _allowed(methods: Any) -> str:
    return ", ".join(sorted({*methods, "OPTIONS"}))


def _bearer(headers: CaseInsensitiveMapping) -> str | None:
    """The bearer token; None without an Authorization header. Raises: InvalidKeyError for another scheme."""
    value = str(headers.get("authorization", "")).strip()
    if not value:
        return None
    scheme, _, token = value.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise InvalidKeyError("Only bearer keys are taken: 'Authorization: Bearer <key>'.")
    return token.strip()


def _request_id(event: dict[str, Any]) -> str:
    """The client's own id where it is a plain one, else the gateway's, else a new one."""
    headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    given = headers.get("x-request-id", "")
    if re.fullmatch(r"[A-Za-z0-9._-]{1,64}", given):
        return str(given)
    return str(event["requestContext"].get("requestId") or uuid.uuid4())
