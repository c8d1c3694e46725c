"""`kill -9` of the real service in every state of a promotion: it goes on or is taken back, never stuck, never two."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from benchmarks.campaigns.fleet_killer import Killer
from benchmarks.campaigns.fleet_kills import promoted_killer
from benchmarks.campaigns.fleet_strike import STEPS
from device.simulate.fleet import Fleet

pytestmark = pytest.mark.slow

CAMERAS = 6
TIMEOUT_S = 180.0
# A state may pass between the look at the store and the signal; the shortest do so every other time on a busy machine.
TRIES = 20


@pytest.fixture(scope="module")
def world() -> Iterator[tuple[Killer, Fleet]]:
    with promoted_killer(CAMERAS) as made:
        yield made


@pytest.mark.parametrize("step", STEPS)
def test_a_service_that_is_killed_in_a_state_brings_the_promotion_to_its_end(
    world: tuple[Killer, Fleet], step: str
) -> None:
    killer, fleet = world
    for _ in range(TRIES):
        live = killer.live()
        killed = killer.kill(step)
        if killed.state == step:
            break
    assert killed.state == step
    assert killed.active <= 1
    assert killed.end == ("reverted" if step == "reverting" else "succeeded")
    assert (killer.live() == live) == (step == "reverting")
    assert killer.most_active() == 0
    assert killer.orphans() == set()
    assert killer.wrong == []
    assert fleet.wait_until(lambda: set(fleet.verdicts()) == {"verified"}, TIMEOUT_S), fleet.verdicts()
    assert killer.here.client.call("GET", "/ledger/verify")["whole"] is True
