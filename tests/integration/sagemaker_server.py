"""A small HTTP server that speaks SageMaker runtime's wire protocol, so that the real boto3 client is put to it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

from chalicelib.adapters.aws.clients import sagemaker_runtime_client

REGION = "eu-west-1"


@dataclass(frozen=True)
class Asked:
    """What came over the wire."""

    path: str
    content_type: str
    accept: str
    body: bytes


@dataclass(frozen=True)
class Reply:
    """`after_s`: how long the server waits; `promised_bytes`: of a Content-Length that is not kept."""

    status: int = 200
    body: bytes = b""
    error: str = ""
    after_s: float = 0.0
    promised_bytes: int | None = None


def answer(document: Any) -> Reply:
    return Reply(body=document if isinstance(document, bytes) else json.dumps(document).encode())


def error(status: int, code: str, message: str = "", **members: Any) -> Reply:
    return Reply(status, json.dumps({"Message": message, **members}).encode(), code)


def container_error(status: int, body: str) -> Reply:
    """As SageMaker hands on what the container itself refused."""
    message = f"Received client error ({status}) from primary with message ..."
    return error(424, "ModelError", message, OriginalStatusCode=status, OriginalMessage=body)


Script = Callable[[Asked], Reply]


@dataclass
class SageMakerServer:
    """`replies` are given one after the other, the last one for ever; one may be a function of what was asked."""

    replies: list[Reply | Script] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    timeouts_s: list[float] = field(default_factory=list)

    def __enter__(self) -> SageMakerServer:
        handler = type("Handler", (_Handler,), {"server_state": self})
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}"

    def client_for(self, read_timeout_s: float) -> Any:
        self.timeouts_s.append(read_timeout_s)
        return sagemaker_runtime_client(
            REGION, read_timeout_s, endpoint_url=self.url, aws_access_key_id="testing", aws_secret_access_key="testing"
        )

    def next_reply(self, asked: Asked) -> Reply:
        self.asked.append(asked)
        reply = self.replies[min(len(self.asked), len(self.replies)) - 1]
        return reply if isinstance(reply, Reply) else reply(asked)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_state: ClassVar[SageMakerServer]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        asked = Asked(self.path, self.headers["Content-Type"], self.headers["Accept"], body)
        reply = self.server_state.next_reply(asked)
        time.sleep(reply.after_s)
        try:
            self._send(reply)
        except ConnectionError:
            self.close_connection = True

    def _send(self, reply: Reply) -> None:
        self.send_response(reply.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(reply.promised_bytes or len(reply.body)))
        if reply.error:
            self.send_header("x-amzn-ErrorType", reply.error)
        self.end_headers()
        self.wfile.write(reply.body)
        self.close_connection = reply.promised_bytes is not None

    def log_message(self, *_: object) -> None:
        """Quiet."""
