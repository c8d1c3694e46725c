"""Cheroot's server, set so that neither slow clients nor many of them hold up the others."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import Any

from cheroot.wsgi import Server

from chalicelib.adapters.embedded.growing_pool import GrowingPool
from chalicelib.adapters.embedded.strict_http import MAX_HEADER_BYTES, Connection, Gateway
from chalicelib.adapters.embedded.timed_reader import Patience

THREADS = 16
# Each holds at most 64 KB of a request in memory; what a request has beyond that is counted (spool.py).
MAX_THREADS = 128
STOP_TIMEOUT_S = 3.0
SOCKET_TIMEOUT_S = 30
# A fleet that switches on at once. Cheroot's own 5 and 10 let Linux drop connections that it had taken: the camera
# believes itself connected, and is reset when its data comes too late.
BACKLOG = 1024
KEPT_CONNECTIONS = 256
# All that nobody has asked anything on included: a process has 1,024 files where nobody says otherwise.
IDLE_CONNECTIONS = 512
TAKEN_TIMEOUT_S = 2.0


class HttpServer(Server):
    """`patience`: how long a request may take to come."""

    _connections: Any

    def __init__(self, address: tuple[str, int], app: Callable[..., Any], patience: Patience) -> None:
        super().__init__(address, app)
        self.requests = GrowingPool(self, THREADS, MAX_THREADS)
        self.patience = patience
        self.shutdown_timeout = STOP_TIMEOUT_S
        self.timeout = SOCKET_TIMEOUT_S
        self.request_queue_size = BACKLOG
        self.keep_alive_conn_limit = KEPT_CONNECTIONS
        self.max_request_header_size = MAX_HEADER_BYTES
        self.ConnectionClass = Connection
        self.gateway = Gateway

    def process_conn(self, conn: Any) -> None:
        """A connection on which nothing was sent yet needs no thread."""
        if conn.last_used is None:
            self._close_one_too_many()
            self._connections.put(conn)
        else:
            self.requests.put(conn)

    def stop(self) -> None:
        """What was sent before is read and answered: connections that wait at a socket when it closes are reset, and
        the last requests with them."""
        if not self.ready:
            return
        # Nobody else looks at the connections from here on.
        self.ready = False
        self._connections.stop()
        self._take_what_waits()
        # Cheroot's own does nothing for a server that is not ready.
        self.ready = True
        super().stop()

    def _take_what_waits(self) -> None:
        end_s = time.monotonic() + TAKEN_TIMEOUT_S
        selector = self._connections._selector
        while (waiting := list(selector.select(timeout=0))) and time.monotonic() < end_s:
            for number, found in waiting:
                if found is self:
                    self._take(self._connections._from_server_socket(self.socket))
                else:
                    selector.unregister(number)
                    self.process_conn(found)

    def _take(self, conn: Any) -> None:
        if conn is not None:
            self.process_conn(conn)

    def _close_one_too_many(self) -> None:
        if self._connections._num_connections < IDLE_CONNECTIONS:
            return
        selector = self._connections._selector
        idle = [(conn.last_used, number, conn) for number, conn in selector.connections if conn is not self]
        _, number, conn = min(idle, key=lambda each: each[:2])
        selector.unregister(number)
        with contextlib.suppress(OSError):
            conn.close()
