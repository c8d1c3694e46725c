"""Many writers at once, through the use cases, on every store."""

import itertools
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from chalicelib.domain.errors import WriteConflictError
from chalicelib.domain.fleet_errors import CodeUsedUpError
from chalicelib.domain.inference import Task
from chalicelib.domain.ledger import Change
from chalicelib.domain.model import Model, ModelState
from chalicelib.domain.ports import RecordStore
from chalicelib.services.fleet import NewDevice
from chalicelib.services.ledger import Ledger
from chalicelib.services.model_versions import ModelVersions
from tests.unit.promotion_world import World

WRITERS = 16
CODED = 11


def draft(name: str) -> Model:
    return Model("", name, 0, Task.CLASSIFY, ModelState.READY, 0.0, digest="d" * 64, bytes=1, manifest={"name": name})


def at_once(work: Callable[[int], object], times: int = WRITERS) -> list[object]:
    start = threading.Barrier(times)

    def begin(n: int) -> object:
        start.wait()
        return work(n)

    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(begin, range(times)))


def test_sixteen_writers_on_one_name_give_sixteen_consecutive_versions(store: RecordStore) -> None:
    ledger = Ledger(store, time.time)
    versions = ModelVersions(store, ledger, time.time)
    made = at_once(lambda n: versions.add(draft("waste"), f"writer-{n}"))
    assert sorted(model.version for model in made) == list(range(1, WRITERS + 1))
    assert {versions.get(f"waste-{n}").created_by for n in range(1, WRITERS + 1)} == {
        f"writer-{n}" for n in range(WRITERS)
    }
    assert ledger.first_fault() is None
    assert ledger.head().number == WRITERS


def test_writers_on_several_names_share_one_ledger_without_a_gap(store: RecordStore) -> None:
    ledger = Ledger(store, time.time)
    versions = ModelVersions(store, ledger, time.time)
    made = at_once(lambda n: versions.add(draft(f"name-{n % 4}"), "somebody"))
    for name, models in itertools.groupby(sorted(made, key=lambda model: model.id), lambda model: model.name):
        assert sorted(model.version for model in models) == [1, 2, 3, 4], name
    assert ledger.first_fault() is None
    assert ledger.head().number == WRITERS


def test_of_sixteen_who_change_one_model_from_one_version_one_wins(store: RecordStore) -> None:
    ledger = Ledger(store, time.time)
    versions = ModelVersions(store, ledger, time.time)
    model = versions.add(draft("waste"), "somebody")

    def change(n: int) -> bool:
        changed = replace(model, state=ModelState.APPROVED, approved_by=f"approver-{n}")
        try:
            versions.change(changed, Change(f"approver-{n}", "model.approved", model.id, {}))
        except WriteConflictError:
            return False
        return True

    assert sum(map(bool, at_once(change))) == 1
    assert ledger.head().number == 2
    assert ledger.first_fault() is None


def test_a_code_enrols_as_many_cameras_as_it_may_however_many_come_at_once(store: RecordStore) -> None:
    world = World()
    world.store = store
    fleets = world.service().fleets
    code = fleets.code_access(fleets.new_code("kitchen", CODED, 60, "somebody")[0])

    def enrol(n: int) -> bool:
        try:
            fleets.enrol(NewDevice(f"camera-{n}", "kitchen"), code)
        except CodeUsedUpError:
            return False
        return True

    assert sum(map(bool, at_once(enrol))) == CODED
    assert fleets.targets.count("kitchen")["devices"] == CODED
    assert len(fleets.page("kitchen", None, WRITERS)[0]) == CODED
