"""The whole embedded service inside the test's process, and the steps by which a model comes to answer."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chalicelib.adapters.embedded.sqlite_store import SqliteStore
from chalicelib.adapters.embedded.timed_reader import Patience
from chalicelib.bootstrap import embedded_services
from chalicelib.config import Settings, from_environment
from chalicelib.server import PATIENCE, EmbeddedServer
from chalicelib.services.suite import Services
from tests.device.agents import until
from tests.functional.client import Client

ADMIN_KEY = "an-admin-key-of-the-tests"
LOOKS_EVERY_S = 0.02


@dataclass(frozen=True)
class Service:
    settings: Settings
    services: Services
    client: Client

    @property
    def stranger(self) -> Client:
        return self.client.with_key(None)

    def key(self, *scopes: str) -> str:
        return str(self.client.post("/keys", {"name": "test", "scopes": list(scopes)}).json()["key"])


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def settings_of(home: Path, **variables: str) -> Settings:
    return from_environment(
        {
            "BINSIGHT_HOME": str(home),
            "BINSIGHT_PORT": str(free_port()),
            "BINSIGHT_ADMIN_KEY": ADMIN_KEY,
            "BINSIGHT_STARTER": "off",
            "BINSIGHT_ENGINE_THREADS": "1",
            **variables,
        }
    )


@contextmanager
def running(settings: Settings, services: Services | None = None, patience: Patience = PATIENCE) -> Iterator[Service]:
    made = services or embedded_services(settings)
    server = EmbeddedServer(settings, made, patience)
    # How often it looks whether it is to stop: every test that starts one would wait half a second at its end.
    server._http.expiration_interval = LOOKS_EVERY_S
    server.start()
    try:
        yield Service(settings, made, Client(server.port, ADMIN_KEY))
    finally:
        server.stop()
        close_store(made)


def close_store(services: Services) -> None:
    """Its files would stay open until the tests end: a machine's limit can be 1,024."""
    store = services.models.store
    if isinstance(store, SqliteStore):
        store.close()


def upload(client: Client, archive: bytes, content_type: str = "application/gzip") -> str:
    """The id of an upload whose bytes are there."""
    terms = {"bytes": len(archive), "sha256": hashlib.sha256(archive).hexdigest(), "content_type": content_type}
    announced = client.post("/uploads", terms).json()
    stored = client.put(announced["url"], archive, announced["headers"])
    assert stored.status == 200, stored.body
    return str(announced["id"])


def register(client: Client, archive: Path) -> dict[str, Any]:
    answer = client.post("/models", {"upload": upload(client, archive.read_bytes())})
    assert answer.status == 201, answer.body
    return dict(answer.json())


def promote(client: Client, archive: Path) -> str:
    """Register, approve and promote; the id of the model that answers now."""
    model_id = str(register(client, archive)["id"])
    approved = client.post(f"/models/{model_id}/approve", {"reason": "good on the test split", "override": True})
    assert approved.json()["state"] == "approved", approved.body
    begun = client.post("/deploy", {"model": model_id})
    assert begun.status == 201, begun.body
    path = f"/deploy/{begun.json()['id']}"
    # The service's timer, where there is one, may have taken the next step at the same moment: it goes on then.
    until(lambda: client.get(path).json()["state"] not in ("pending", "proving_endpoint", "endpoint_live"))
    assert client.get(path).json()["state"] == "succeeded", client.get(path).body
    return model_id
