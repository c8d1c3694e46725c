"""What the registry costs at 10 and at 100,000 models, and what is left of it after `kill -9`.

    python -m benchmarks.campaigns.registry --out build/registry.json

Reads are counted at the store's port. Times are medians of requests that alternate between the two homes, so that a
busy machine slows both alike.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.campaigns.registry_kill import measure_kills
from chalicelib.adapters.embedded.sqlite_store import SqliteStore
from chalicelib.api.routes import create_app
from chalicelib.bootstrap import embedded_services
from chalicelib.config import from_environment
from chalicelib.domain.inference import Task
from chalicelib.domain.model import Model, ModelState
from chalicelib.domain.model_listing import model_writes
from chalicelib.domain.ports import Cursor, Index, Key, Page, Record, RecordStore, Write

SMALL, LARGE = 10, 100_000
MODELS_IN_A_WRITE = 25
PAGE = 10
SAMPLES = 1500
WARM_UP = 100
ADMIN_KEY = "an-admin-key-of-the-campaign"
STATES = (ModelState.READY, ModelState.APPROVED, ModelState.REJECTED, ModelState.RETIRED)
# As large as a waste classifier's.
MANIFEST = {"labels": [{"name": "x" * 40}] * 20, "metrics": {"test": {f"metric_{n}": n / 7 for n in range(60)}}}
LISTS = {
    "list": "",
    "list_by_task": "&task=classify",
    "list_by_name": "&name=name-3",
    "list_by_state": "&state=approved",
    "list_by_task_and_state": "&task=classify&state=approved",
    "list_by_name_and_state": "&name=name-3&state=approved",
}


class CountingStore(RecordStore):
    """Counts what is asked of the store behind it."""

    def __init__(self, inner: RecordStore) -> None:
        self._inner = inner
        self.reads = 0

    def get(self, key: Key) -> Record:
        self.reads += 1
        return self._inner.get(key)

    def query(
        self,
        partition: str,
        *,
        index: Index = Index.PRIMARY,
        prefix: str = "",
        after: Cursor | None = None,
        limit: int = 50,
        newest_first: bool = False,
    ) -> Page:
        self.reads += 1
        return self._inner.query(
            partition, index=index, prefix=prefix, after=after, limit=limit, newest_first=newest_first
        )

    def write(self, *writes: Write) -> None:
        self._inner.write(*writes)


@dataclass(frozen=True)
class Shelf:
    """A home with `count` models, and the whole app in front of it."""

    count: int
    store: CountingStore
    app: Callable[[dict[str, Any], Any], dict[str, Any]]

    def some_id(self, rng: random.Random) -> str:
        number = rng.randrange(self.count)
        return f"name-{number % 10 if number >= SMALL else 3}-{number}"

    def request(self, path: str, query: str = "") -> dict[str, Any]:
        response = self.app(_event(path, query), None)
        assert response["statusCode"] == 200, response["body"]
        body: dict[str, Any] = json.loads(response["body"])
        return body


def models(count: int) -> Iterator[Model]:
    """Ten of one name, task and state, so that every page has as many models in both homes; then all sorts of them."""
    for number in range(count):
        name = f"name-{number % 10 if number >= SMALL else 3}"
        yield Model(
            id=f"{name}-{number}",
            name=name,
            version=number,
            task=Task.COUNT if number % 10 > 5 and number >= SMALL else Task.CLASSIFY,
            state=STATES[(number // 10 + number) % len(STATES)] if number >= SMALL else ModelState.APPROVED,
            created_at_s=1_700_000_000.0 + number,
            digest=f"{number:064x}",
            bytes=1_000_000,
            manifest=MANIFEST,
        )


def fill(home: Path, count: int) -> None:
    store = SqliteStore(home / "state.sqlite")
    batch: list[Write] = []
    for model in models(count):
        batch += model_writes(model)
        if len(batch) >= 4 * MODELS_IN_A_WRITE:
            store.write(*batch)
            batch = []
    if batch:
        store.write(*batch)
    store.close()


def open_shelf(home: Path, count: int) -> Shelf:
    fill(home, count)
    environment = {"BINSIGHT_HOME": str(home), "BINSIGHT_ADMIN_KEY": ADMIN_KEY, "BINSIGHT_STARTER": "off"}
    services = embedded_services(from_environment(environment))
    store = CountingStore(services.models.store)
    models_service = replace(services.models, store=store, versions=replace(services.models.versions, store=store))
    app = create_app(lambda: replace(services, models=models_service))
    return Shelf(count, store, app)


def measure_reads(folder: Path) -> dict[str, Any]:
    started_s = time.monotonic()
    shelves = [open_shelf(folder / str(count), count) for count in (SMALL, LARGE)]
    figures: dict[str, Any] = {"fill_s": round(time.monotonic() - started_s, 1)}
    rng = random.Random(0)
    for name, query in LISTS.items():
        figures[name] = compare(shelves, partial(Shelf.request, path="/models", query=f"limit={PAGE}{query}"))
    figures["get"] = compare(shelves, lambda shelf: shelf.request(f"/models/{shelf.some_id(rng)}"))
    return figures


def compare(shelves: Sequence[Shelf], ask: Callable[[Shelf], object]) -> dict[str, Any]:
    reads: dict[int, set[int]] = {shelf.count: set() for shelf in shelves}
    times_ms: dict[int, list[float]] = {shelf.count: [] for shelf in shelves}
    for number in range(SAMPLES + WARM_UP):
        for shelf in shelves:
            shelf.store.reads = 0
            begun_s = time.perf_counter()
            ask(shelf)
            taken_ms = (time.perf_counter() - begun_s) * 1000
            if number >= WARM_UP:
                reads[shelf.count].add(shelf.store.reads)
                times_ms[shelf.count].append(taken_ms)
    small, large = (statistics.median(times_ms[shelf.count]) for shelf in shelves)
    return {
        "reads": {str(count): sorted(found) for count, found in reads.items()},
        "p50_ms": {str(SMALL): round(small, 3), str(LARGE): round(large, 3)},
        "p50_ratio": round(large / small, 3),
    }


def _event(path: str, query: str) -> dict[str, Any]:
    parts = path.strip("/").split("/")
    resource = "/models/{model_id}" if len(parts) == 2 else path
    pairs = [pair.partition("=") for pair in query.split("&") if pair]
    return {
        "requestContext": {"httpMethod": "GET", "resourcePath": resource, "path": path, "requestId": "campaign"},
        "path": path,
        "headers": {"authorization": f"Bearer {ADMIN_KEY}"},
        "pathParameters": {"model_id": parts[1]} if len(parts) == 2 else {},
        "multiValueQueryStringParameters": {name: [value] for name, _, value in pairs} or None,
        "stageVariables": {},
        "body": "",
        "isBase64Encoded": False,
    }


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.campaigns.registry", description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    out: Path = parser.parse_args(arguments).out
    with tempfile.TemporaryDirectory() as folder:
        asked, killed = measure_reads(Path(folder)), measure_kills(Path(folder))
    requests = [each for each in asked.values() if isinstance(each, dict)]
    figures = {
        "reads_are_constant": all(len(set(map(tuple, each["reads"].values()))) == 1 for each in requests),
        "worst_p50_ratio": max(each["p50_ratio"] for each in requests),
        "reads": asked,
        "kill": killed,
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(figures, indent=2) + "\n")
    print(json.dumps(figures, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
