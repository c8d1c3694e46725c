"""What `make demo` asks of the service, where the service's timer is quicker than its requests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scripts.demo import _promote
from scripts.demo_training import DemoModel
from scripts.service_process import Client
from tests.functional.service import ADMIN_KEY, Service


class Overtaken(Client):
    """The timer drives every promotion already when the request comes to it, which answers how it stands."""

    def call(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        answer = super().call(method, path, body)
        return {**answer, "state": "proving_endpoint"} if (method, path) == ("POST", "/deploy") else answer


def test_a_promotion_that_the_timer_drives_is_followed_to_its_end(empty: Service, archives: dict[str, Path]) -> None:
    client = Overtaken(f"http://127.0.0.1:{empty.client.port}", ADMIN_KEY)
    assert _promote(client, "classify", DemoModel(archives["classify"], [])) == "waste-1"
    assert empty.client.get("/models/waste-1").json()["live"] == ["primary"]
