"""Where a model is at work: answering at its task's endpoint, standing on a fleet, or part of a promotion under way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from chalicelib.domain import fleet_records, records
from chalicelib.domain.alias import Alias
from chalicelib.domain.endpoint_target import EndpointTarget
from chalicelib.domain.errors import RecordNotFoundError
from chalicelib.domain.fleet import FleetTarget
from chalicelib.domain.inference import Task
from chalicelib.domain.model import Model
from chalicelib.domain.ports import Check, Cursor, Index, Key, Record, RecordStore, Write

# A transaction has a hundred writes; the others are the model's own and the ledger's.
MAX_CHECKS = 80


@dataclass(frozen=True)
class ModelUse:
    """`places`: `primary` and `canary` of the endpoint, `fleet:<name>`, `deployment:<id>`. `unmoved`: writes that fail
    a transaction in which one of the places looked at has changed meanwhile, the first 80 of them.
    """

    places: tuple[str, ...]
    unmoved: tuple[Write, ...]


def use_of(store: RecordStore, model: Model) -> ModelUse:
    """A read for each fleet that may run the model's task: not for what is asked often."""
    alias = _found(store, records.alias_key(model.task))
    endpoint = _found(store, fleet_records.target_key(fleet_records.endpoint_target(model.task)))
    fleets = [_found(store, fleet_records.target_key(name)) for name in _fleet_targets(store, model.task)]
    targets = [FleetTarget.from_body(record.body, record.version) for record in fleets if record.version]
    places = live_as(records.alias_from(alias) if alias.version else None, model.id)
    places += [fleet_records.fleet_target_name(target.fleet) for target in targets if _stands(target, model.id)]
    active = [target.active for target in targets]
    if endpoint.version:
        active.append(EndpointTarget.from_body(endpoint.body, endpoint.version).active)
    places += _promotions(store, model.id, [id_ for id_ in active if id_])
    unmoved = tuple(Check(record.key, record.version) for record in (alias, endpoint, *fleets))
    return ModelUse(tuple(places), unmoved[:MAX_CHECKS])


def live_as(alias: Alias | None, id_: str) -> list[str]:
    """In which places of its task's alias the model stands."""
    if alias is None:
        return []
    places = {"primary": alias.primary, "canary": alias.canary}
    return [place for place, served in places.items() if served and served.model_id == id_]


def _found(store: RecordStore, key: Key) -> Record:
    """What is not there is of version 0."""
    try:
        return store.get(key)
    except RecordNotFoundError:
        return Record(key, {}, version=0)


def _fleet_targets(store: RecordStore, task: Task) -> Iterator[str]:
    after: Cursor | None = None
    while True:
        page = store.query(fleet_records.FLEETS, index=Index.FIRST, after=after)
        fleets = map(fleet_records.fleet_from, page.records)
        yield from (fleet_records.fleet_target_name(fleet.name) for fleet in fleets if fleet.task in (None, task))
        if page.next is None:
            return
        after = page.next


def _stands(target: FleetTarget, id_: str) -> bool:
    standing = [target.standing, *target.named.values()]
    return any(each.model.model_id == id_ for each in standing if each)


def _promotions(store: RecordStore, id_: str, active: Sequence[str]) -> list[str]:
    """Those that bring the model, and those that would go back to it."""
    promotions = (
        fleet_records.deployment_from(store.get(fleet_records.deployment_key(each))) for each in dict.fromkeys(active)
    )
    return [
        f"deployment:{promotion.id}"
        for promotion in promotions
        if id_ in (promotion.model_id, promotion.baseline)
        or (promotion.baseline_fleet and promotion.baseline_fleet.model_id == id_)
    ]
