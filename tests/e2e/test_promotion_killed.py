"""`kill -9` of the real service in every state of a promotion: it goes on or is taken back, never stuck, never two."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

import pytest

from benchmarks.campaigns import fleet_kills
from benchmarks.campaigns.fleet_killer import Killer
from benchmarks.campaigns.fleet_strike import STEPS
from chalicelib.domain.deployment import Deployment
from chalicelib.domain.errors import WriteConflictError
from chalicelib.domain.ports import Put
from chalicelib.services.lease import lease_key
from device.simulate.fleet import Fleet

pytestmark = pytest.mark.slow

CAMERAS = 6
TIMEOUT_S = 60.0
# A state may pass between the look at the store and the signal.
TRIES = 5


class ImpatientKiller(Killer):
    """A timer that dies with its service holds its lease for ten seconds more. They are waited for once."""

    has_waited = False

    def _strike(self, step: str, before: Deployment | None, victims: list[int], steering: threading.Thread) -> None:
        super()._strike(step, before, victims, steering)
        self.here.process.stop()
        if len(victims) > 1:
            if self.has_waited:
                self._let_the_lease_run_out()
            self.has_waited = True

    def _let_the_lease_run_out(self) -> None:
        held = self.store.get(lease_key("scheduler"))
        with suppress(WriteConflictError):
            self.store.write(Put(replace(held, body={**held.body, "until_s": 0.0}), expected_version=held.version))


@pytest.fixture(scope="module")
def world() -> Iterator[tuple[Killer, Fleet]]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(fleet_kills, "Killer", ImpatientKiller)
        with fleet_kills.promoted_killer(CAMERAS) as made:
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
