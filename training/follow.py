"""A model on its way through the service: started or registered at POST /models, followed to its end."""

from __future__ import annotations

import sys
import time
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from scripts.service_process import Client, opened

UNDER_WAY = ("training", "evaluating")
GOOD = ("ready", "approved")
POLL_S = 5.0
LINE_EVERY_S = 60.0
DOWNLOAD_TIMEOUT_S = 120.0


class NotReadyError(RuntimeError):
    """The job ended without a model; the message has the service's own reason."""


@dataclass
class Follower:
    client: Client
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    stream: TextIO = field(default_factory=lambda: sys.stderr)

    def start(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """POST /models. Raises: ServiceError with the problem's own words, over the budget for instance."""
        model = self.client.call("POST", "/models", dict(body))
        price = model.get("price") or {}
        if price.get("most_usd"):
            print(f"{model['id']}: {price['most_usd']:.2f} USD at the most ({price['source']}, {price['as_of']})")
        return model

    def until_ready(self, model_id: str) -> dict[str, Any]:
        """Raises: NotReadyError, ServiceError."""
        begun_s, shown, told_s = self.clock(), "", float("-inf")
        while True:
            model = self.client.call("GET", f"/models/{model_id}")
            now_s = self.clock() - begun_s
            if self.stream.isatty() or model["state"] != shown or now_s - told_s >= LINE_EVERY_S:
                self._tell(f"{model_id}: {model['state']}, {now_s:.0f} s", model["state"] in UNDER_WAY)
                shown, told_s = model["state"], now_s
            if model["state"] not in UNDER_WAY:
                return _ready(model)
            self.sleep(POLL_S)

    def _tell(self, text: str, is_under_way: bool) -> None:
        if self.stream.isatty():
            print(f"\r{text}\x1b[K", end="" if is_under_way else "\n", file=self.stream, flush=True)
        else:
            print(text, file=self.stream, flush=True)

    def download(self, model_id: str, target: Path) -> None:
        """The artifact under `target`, whole or not at all. Raises: ServiceError, OSError."""
        url = self.client.call("GET", f"/models/{model_id}/artifact")["url"]
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f".{target.name}.part")
        try:
            request = urllib.request.Request(url)
            with opened(request, DOWNLOAD_TIMEOUT_S) as answer, part.open("wb") as stream:
                while chunk := answer.read(1 << 20):
                    stream.write(chunk)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)


def _ready(model: dict[str, Any]) -> dict[str, Any]:
    if model["state"] not in GOOD:
        logs = f" (logs: {model['logs']})" if model.get("logs") else ""
        raise NotReadyError(f"{model['id']} is {model['state']}: {model.get('reason') or 'no reason given'}{logs}")
    return model
