"""The embedded server: the same app behind a threaded HTTP server on this machine (`python -m chalicelib.server`)."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
from collections.abc import Iterable
from typing import cast

from chalicelib.adapters.embedded.file_server import PREFIX, FileServer
from chalicelib.adapters.embedded.folder_blobs import FolderBlobs
from chalicelib.adapters.embedded.http_server import STOP_TIMEOUT_S, HttpServer
from chalicelib.adapters.embedded.memory import give_back_large_blocks
from chalicelib.adapters.embedded.supervisor import Supervisor
from chalicelib.adapters.embedded.timed_reader import Patience
from chalicelib.adapters.embedded.tls_front import TlsFront
from chalicelib.adapters.embedded.wsgi import Environ, LambdaWsgi, StartResponse
from chalicelib.api.observation import configure_logging
from chalicelib.api.routes import create_app
from chalicelib.bootstrap import install_starter, make_services
from chalicelib.config import Settings, SettingsError, from_environment, url_of
from chalicelib.domain.access import Scope
from chalicelib.domain.errors import BinsightError
from chalicelib.services.suite import Services

PATIENCE = Patience()
# The kernel may hand a signal to any thread, and only a main thread that wakes hears of it.
HEARS_EVERY_S = 0.5
SCHEDULER = (sys.executable, "-m", "chalicelib.scheduler")
SCHEDULER_STOP_S = 1.0


class EmbeddedServer:
    """Listens from `start` to `stop`; requests under way are answered before it ends."""

    def __init__(self, settings: Settings, services: Services, patience: Patience = PATIENCE) -> None:
        app = create_app(lambda: services, settings.cors_origin)
        self._api = LambdaWsgi(app, list(app.routes), settings.max_body_bytes, services.working_memory, settings.home)
        self._files = FileServer(cast(FolderBlobs, services.uploads.blobs), services.uploads.get, settings.cors_origin)
        self._http = HttpServer((settings.plain_host, settings.port), self._route, patience)
        self._thread = threading.Thread(target=self._http.serve, name="http", daemon=True)

    def start(self) -> None:
        """Raises: OSError when the address is taken."""
        self._http.prepare()
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self._http.bind_addr[1])

    def stop(self) -> None:
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
        front = started_front(settings, server.port)
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
    if front is not None:
        front.stop()
    ending.join()
    # Python's last collection would visit every object, which takes a second on a busy machine.
    gc.freeze()
    return 0


def _first_key(services: Services, settings: Settings) -> str | None:
    """A home with no key, and none in the environment, gets its first one, shown once."""
    if settings.admin_key or services.access.has_keys():
        return None
    _, token = services.access.create("first key", frozenset({Scope.ADMIN}), "set-up")
    return token


def started_front(settings: Settings, server_port: int) -> TlsFront | None:
    """Raises: OSError."""
    if settings.certificate is None:
        return None
    front = TlsFront((settings.host, settings.tls_port), settings.certificate, server_port)
    front.start()
    print(f"Cameras and apps of this network: {settings.public_url}", flush=True)
    return front


def _announce(settings: Settings, port: int, key: str | None) -> None:
    url = url_of("http", settings.plain_host, port)
    print(f"Binsight listens on {url}  (state in {settings.home})", flush=True)
    if key:
        print(f"Your admin key, shown this once: {key}", flush=True)
    shown = key or ("$BINSIGHT_ADMIN_KEY" if settings.admin_key else "<your key>")
    if shown == "<your key>":
        print("This home has keys already; 'make admin-key' makes another.", flush=True)
    print(f'Try: curl -H "Authorization: Bearer {shown}" --data-binary @photo.jpg {url}/classify', flush=True)


if __name__ == "__main__":
    sys.exit(main())
