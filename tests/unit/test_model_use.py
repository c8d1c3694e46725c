"""A model is never both retired and promoted: whichever transaction comes second fails."""

from __future__ import annotations

import pytest

from chalicelib.domain.errors import WriteConflictError
from chalicelib.domain.plan import FleetPlan, Plan
from chalicelib.domain.ports import Put, Record
from chalicelib.domain.records import model_key
from chalicelib.services.model_use import MAX_CHECKS, use_of
from chalicelib.services.promotion_suite import PromotionSuite
from tests.unit.promotion_world import World


def begin(suite: PromotionSuite) -> None:
    suite.deployments.promote("waste-1", "tester", Plan(endpoint=None, fleet=FleetPlan("kitchen")))


def test_a_promotion_does_not_begin_with_a_model_that_has_changed_since_it_was_read() -> None:
    world = World()
    suite = world.service()
    world.enrol(suite, "cam-1")
    world.store.write(Put(Record(model_key("waste-1"), {"state": "retired"}), expected_version=0))
    with pytest.raises(WriteConflictError) as conflict:
        begin(suite)
    assert conflict.value.members["keys"] == [model_key("waste-1")]
    assert world.deployments() == []


def test_what_was_seen_idle_no_longer_holds_once_a_promotion_has_begun() -> None:
    world = World()
    suite = world.service()
    world.enrol(suite, "cam-1")
    idle = use_of(world.store, world.models.get("waste-1"))
    assert idle.places == ()
    world.store.write(*idle.unmoved)
    begin(suite)
    with pytest.raises(WriteConflictError):
        world.store.write(*idle.unmoved)
    (begun,) = world.deployments()
    assert use_of(world.store, world.models.get("waste-1")).places == (f"deployment:{begun.id}",)


def test_more_fleets_than_a_transaction_can_check_are_looked_at_all_the_same() -> None:
    world = World()
    suite = world.service()
    world.enrol(suite, "cam-z")
    begin(suite)
    for number in range(MAX_CHECKS + 5):
        world.enrol(suite, f"cam-{number:03}", fleet=f"fleet-{number:03}")
    use = use_of(world.store, world.models.get("waste-1"))
    assert len(use.unmoved) == MAX_CHECKS
    assert len(use.places) == 1
