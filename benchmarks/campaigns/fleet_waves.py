"""What it takes to start a wave for ten registered devices and for a million: writes, reads and time."""

from __future__ import annotations

import hashlib
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.campaigns.fleet_store import CountingStore
from chalicelib.adapters.embedded.sqlite_store import SqliteStore
from chalicelib.bootstrap import embedded_services
from chalicelib.config import Settings, from_environment
from chalicelib.domain.counting import Gate
from chalicelib.domain.device import Device
from chalicelib.domain.fleet import Fleet
from chalicelib.domain.fleet_records import fleet_count_key, fleet_record, identity_record
from chalicelib.domain.plan import FleetPlan, Plan, Wave
from chalicelib.domain.ports import Add, Put, Write
from chalicelib.domain.promotion import Open
from chalicelib.services.suite import Services
from tests.functional.fleet_service import archive_of

FLEET = "kitchen"
DEVICES_A_WRITE = 99
STARTS = 300
WARM_UP = 5
HASH = "0" * 64


def measure_waves(small: int, large: int) -> dict[str, Any]:
    """Waves are started by turns in both homes, so that a busy machine slows both alike."""
    with _home(small) as few, _home(large) as many:
        for counted in (few, many):
            _start(counted, WARM_UP)
        times: dict[int, list[tuple[float, float]]] = {small: [], large: []}
        costs: dict[int, set[tuple[int, int, int]]] = {small: set(), large: set()}
        for _ in range(STARTS):
            for size, counted in ((small, few), (large, many)):
                took, cost = _start(counted, 1)
                times[size].append(took)
                costs[size].add(cost)
    wall, cpu = ({size: statistics.median(took[of] for took in each) for size, each in times.items()} for of in (0, 1))
    return {
        "registered": [small, large],
        "starts": STARTS,
        "transactions_writes_reads": {str(size): sorted(each) for size, each in costs.items()},
        "same_writes": {each[:2] for each in costs[small]} == {each[:2] for each in costs[large]},
        "p50_ms": {str(size): round(value * 1000, 3) for size, value in wall.items()},
        "ratio": round(wall[large] / wall[small], 3),
        "processor_p50_ms": {str(size): round(value * 1000, 3) for size, value in cpu.items()},
        "processor_ratio": round(cpu[large] / cpu[small], 3),
    }


def _start(
    counted: tuple[Services, CountingStore, str], times: int
) -> tuple[tuple[float, float], tuple[int, int, int]]:
    """Seconds on the clock and of the processor; what the first wave's own step took: transactions, writes, reads."""
    services, store, model = counted
    steps, start = services.deployments.steps, services.deployments.start
    plan = Plan(None, FleetPlan(FLEET, (Wave(50), Wave(100)), Gate(0.9, 3)), allow_indistinguishable=True)
    took_s, cost = (0.0, 0.0), (0, 0, 0)
    for _ in range(times):
        begun = start.begin(model, plan, "campaign")
        store.reset()
        before_s, worked_s = time.perf_counter(), time.thread_time()
        steps.take(begun, Open(0), "campaign")
        took_s = (time.perf_counter() - before_s, time.thread_time() - worked_s)
        cost = (store.transactions, store.writes, store.reads)
    return took_s, cost


@contextmanager
def _home(devices: int) -> Iterator[tuple[Services, CountingStore, str]]:
    with tempfile.TemporaryDirectory(prefix="binsight-waves-") as folder:
        settings = _settings(Path(folder))
        store = SqliteStore(settings.home / "state.sqlite")
        _register(store, devices)
        store.close()
        # Else the disk is still busy with the million when the first wave starts.
        os.sync()
        services, counting = _counted(embedded_services(settings))
        model = _approved(services, Path(folder))
        yield services, counting, model


def _register(store: SqliteStore, devices: int) -> None:
    """As many devices as asked for, written as enrolment writes them."""
    counters = {"devices": devices, "engine.onnxruntime": devices}
    store.write(Put(fleet_record(Fleet(FLEET, 0.0)), 0), Add(fleet_count_key(FLEET), counters))
    for first in range(0, devices, DEVICES_A_WRITE):
        batch: list[Write] = []
        for number in range(first, min(first + DEVICES_A_WRITE, devices)):
            batch.append(Put(identity_record(Device(f"cam-{number}", FLEET, HASH, 0.0)), expected_version=0))
        store.note(*batch)


def _approved(services: Services, folder: Path) -> str:
    archive = archive_of(folder / "models", "good")
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    services.models.blobs.put("uploads/campaign", archive)
    model = services.models.register_artifact("uploads/campaign", digest, None, "campaign")
    services.models.approve(model.id, "campaign", "measured", override=True)
    return model.id


def _counted(services: Services) -> tuple[Services, CountingStore]:
    """The steps' store counted; everything else as it is."""
    deployments = services.deployments
    counting = CountingStore(deployments.store)
    targets = replace(deployments.targets, store=counting)
    ledger = replace(deployments.steps.ledger, store=counting)
    steps = replace(deployments.steps, targets=targets, ledger=ledger)
    return replace(services, deployments=replace(deployments, steps=steps)), counting


def _settings(home: Path) -> Settings:
    return from_environment({"BINSIGHT_HOME": str(home), "BINSIGHT_STARTER": "off", "BINSIGHT_ENGINE_THREADS": "1"})
