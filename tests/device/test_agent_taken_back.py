"""A model that runs already and must go: refused, crashing, or taken back by the service."""

from __future__ import annotations

from pathlib import Path

from device.model_store import MAX_STARTS
from tests.device.agents import Made, Running, until
from tests.device.service_stand_in import Service


def test_a_model_that_the_service_refuses_is_taken_back_and_not_tried_again(
    tmp_path: Path, service: Service, first: Made, second: Made
) -> None:
    good = service.promote(*first)
    with Running(tmp_path, service.stand_in.url) as running:
        until(lambda: service.verified and not running.store.pointer.provisional)
        bad = service.promote(*second, deployment="promotion-2")
        service.refuses.append(bad)
        until(lambda: "rolling_back" in service.stages and running.loop.digest == good)
        heard = len(service.reports)
        until(lambda: len(service.reports) > heard + 5)
        assert service.stages.count("proving") == 2
        assert running.store.pointer.active == good


def test_a_crash_loop_rolls_back_by_itself_and_says_so(
    tmp_path: Path, service: Service, first: Made, second: Made
) -> None:
    good = service.promote(*first)
    with Running(tmp_path, service.stand_in.url) as running:
        until(lambda: service.verified and not running.store.pointer.provisional)
    running.store.stage(second[0], service.promote(*second, deployment="promotion-2"))
    running.store.activate(service.target["digest"], "promotion-2")
    for _ in range(MAX_STARTS):
        Running(tmp_path, service.stand_in.url).store.begin()
    service.reports.clear()
    with Running(tmp_path, service.stand_in.url) as running:
        until(lambda: any(report.get("failure") for report in service.reports))
        assert running.loop.digest == good
    told = next(report for report in service.reports if report.get("failure"))
    assert (told["failure"]["code"], told["deployment"]) == ("crash_loop", "promotion-2")


def test_what_is_taken_back_to_nothing_ends_at_the_factory_model(
    tmp_path: Path, service: Service, first: Made, second: Made
) -> None:
    service.promote(*second)
    with Running(tmp_path, service.stand_in.url, factory=first[0]) as running:
        until(lambda: service.verified)
        service.take_back_to_factory()
        until(lambda: running.loop.digest == running.store.factory)
        until(lambda: running.store.pointer.active is None)
