"""The embedded server: the same app behind a threaded HTTP server on this machine (`python -m chalicelib.server`)."""

from __future__ import annotations

import gc
import os
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterable
from typing import cast

from cheroot.wsgi import Server

from chalicelib.adapters.embedded.file_server import PREFIX, FileServer
from chalicelib.adapters.embedded.folder_blobs import FolderBlobs
from chalicelib.adapters.embedded.memory import give_back_large_blocks
from chalicelib.adapters.embedded.strict_http import MAX_HEADER_BYTES, Connection, Gateway
from chalicelib.adapters.embedded.supervisor import Supervisor
from chalicelib.adapters.embedded.wsgi import Environ, LambdaWsgi, StartResponse
from chalicelib.api.observation import configure_logging
from chalicelib.api.routes import create_app
from chalicelib.bootstrap import install_starter, make_services
from chalicelib.config import Settings, SettingsError, from_environment
from chalicelib.domain.access import Scope
from chalicelib.domain.errors import BinsightError
from chalicelib.services.suite import Services

THREADS = 16
STOP_TIMEOUT_S = 3.0
TAKEN_TIMEOUT_S = 1.0
TAKEN_POLL_S = 0.01
# The kernel may hand a signal to any thread, and only a main thread that wakes hears of it.
HEARS_EVERY_S = 0.5
SCHEDULER = (sys.executable, "-m", "chalicelib.scheduler")
SCHEDULER_STOP_S = 1.0
SOCKET_TIMEOUT_S = 30
# A fleet that switches on at once. Cheroot's own 5 and 10 let Linux drop connections that it had taken: the camera
# believes itself connected, and is reset when its data comes too late.
BACKLOG = 1024
KEPT_CONNECTIONS = 256


class EmbeddedServer:
    """Listens from `start` to `stop`; requests under way are answered before it ends."""

    def __init__(self, settings: Settings, services: Services) -> None:
        app = create_app(lambda: services, settings.cors_origin)
        self._api = LambdaWsgi(app, list(app.routes), settings.max_body_bytes)
        self._files = FileServer(cast(FolderBlobs, services.uploads.blobs), services.uploads.get, settings.cors_origin)
        self._http = Server((settings.host, settings.port), self._route, numthreads=THREADS)
        self._http.shutdown_timeout = STOP_TIMEOUT_S
        self._http.timeout = SOCKET_TIMEOUT_S
        self._http.request_queue_size = BACKLOG
        self._http.keep_alive_conn_limit = KEPT_CONNECTIONS
        self._http.max_request_header_size = MAX_HEADER_BYTES
        self._http.ConnectionClass = Connection
        self._http.gateway = Gateway
        self._thread = threading.Thread(target=self._http.serve, name="http", daemon=True)

    def start(self) -> None:
        """Raises: OSError when the address is taken."""
        self._http.prepare()
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self._http.bind_addr[1])

    def stop(self) -> None:
        wait_until_taken(self._http.socket)
        self._http.stop()
        self._thread.join(STOP_TIMEOUT_S)

    def _route(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        handler = self._files if environ["PATH_INFO"].startswith(PREFIX) else self._api
        return handler(environ, start_response)


def main() -> int:
    configure_logging()
    give_back_large_blocks()
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    try:
        settings = from_environment()
        services = make_services(settings)
        install_starter(services, settings)
        key = _first_key(services, settings)
        server = EmbeddedServer(settings, services)
        # What is there now stays: collections would go through all of it again and again.
        gc.freeze()
        server.start()
    except (SettingsError, BinsightError, OSError) as error:
        print(f"binsight: cannot start: {error}", file=sys.stderr)
        return 1
    _announce(settings, server.port, key)
    scheduler = Supervisor((*SCHEDULER, str(os.getpid())), SCHEDULER_STOP_S)
    scheduler.start()
    while not stopping.wait(HEARS_EVERY_S):
        continue
    ending = threading.Thread(target=scheduler.stop, name="scheduler-stop")
    ending.start()
    server.stop()
    ending.join()
    # Python's last collection would visit every object, which takes a second on a busy machine.
    gc.freeze()
    return 0


def wait_until_taken(listener: socket.socket) -> None:
    """Until every connection that the kernel made has been accepted: those that wait when the socket closes are reset,
    and what was sent over them is lost. The serving container's workers do the same; neither may import the other."""
    waiting = select.poll()
    waiting.register(listener, select.POLLIN)
    end_s = time.monotonic() + TAKEN_TIMEOUT_S
    while waiting.poll(0) and time.monotonic() < end_s:
        time.sleep(TAKEN_POLL_S)


def _first_key(services: Services, settings: Settings) -> str | None:
    """A home with no key, and none in the environment, gets its first one, shown once."""
    if settings.admin_key or services.access.has_keys():
        return None
    _, token = services.access.create("first key", frozenset({Scope.ADMIN}), "set-up")
    return token


def _announce(settings: Settings, port: int, key: str | None) -> None:
    url = f"http://{settings.host}:{port}"
    print(f"Binsight listens on {url}  (state in {settings.home})", flush=True)
    if key:
        print(f"Your admin key, shown this once: {key}", flush=True)
    shown = key or ("$BINSIGHT_ADMIN_KEY" if settings.admin_key else "<your key>")
    if shown == "<your key>":
        print("This home has keys already; 'make admin-key' makes another.", flush=True)
    print(f'Try: curl -H "Authorization: Bearer {shown}" --data-binary @photo.jpg {url}/classify', flush=True)


if __name__ == "__main__":
    sys.exit(main())
