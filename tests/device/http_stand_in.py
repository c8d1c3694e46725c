"""An HTTP server on this machine that answers as it is told, for what a client must stand."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, Callable, Dict, List, NamedTuple, Optional


class Asked(NamedTuple):
    method: str
    path: str
    headers: Dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Told(NamedTuple):
    """cut_after: the connection ends after so many bytes of the body."""

    status: int = 200
    body: bytes = b"{}"
    headers: Dict[str, str] = {}  # noqa: RUF012
    cut_after: Optional[int] = None


def problem(status: int, kind: str, detail: str = "no", **headers: str) -> Told:
    body = json.dumps({"type": "urn:binsight:problem:" + kind, "detail": detail}).encode()
    return Told(status, body, {"Content-Type": "application/problem+json", **headers})


class StandIn:
    """`answers` is asked for every request."""

    def __init__(self, answers: Callable[[Asked], Told]) -> None:
        self.asked: List[Asked] = []
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                lower = {name.lower(): value for name, value in self.headers.items()}
                asked = Asked(self.command, self.path, lower, self.rfile.read(length))
                stand_in.asked.append(asked)
                self.give(answers(asked))

            do_GET = do_POST = do_PUT = answer  # noqa: N815

            def give(self, told: Told) -> None:
                # Not send_response: that adds a date of its own.
                self.send_response_only(told.status)
                for name, value in told.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(told.body)))
                self.end_headers()
                self.wfile.write(told.body[: told.cut_after])

            def log_message(self, *_: Any) -> None:
                return

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = "http://127.0.0.1:%d" % self.server.server_port
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> StandIn:
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()
