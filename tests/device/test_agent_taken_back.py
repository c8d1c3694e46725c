"""A model that runs already and must go: refused, crashing, or taken back by the service."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from device.engine_choice import EngineChoice
from device.model_store import MAX_STARTS
from device.runtime.artifact import digest_of
from device.runtime.engines import EngineError
from tests.device.agents import Made, Running, until
from tests.device.service_stand_in import Service


def test_a_model_that_the_service_refuses_is_taken_back_and_not_tried_again(
    tmp_path: Path, service: Service, first: Made, second: Made
) -> None:
    good = service.promote(*first)
    with Running(tmp_path, service.stand_in.url) as running:
        until(lambda: service.verified and not running.store.pointer.provisional)
        service.refuses.append(digest_of(second[0]))
        service.promote(*second, deployment="promotion-2")
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


def test_a_confirmed_model_that_does_not_load_at_a_start_is_tried_again_before_it_is_given_up(
    tmp_path: Path, service: Service, first: Made, second: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk or the GPU had a bad moment."""
    digest = service.promote(*first)
    with Running(tmp_path, service.stand_in.url, factory=second[0]) as running:
        until(lambda: service.verified and not running.store.pointer.provisional)
    load, refused = EngineChoice.load, [1]

    def once(self: EngineChoice, folder: Path) -> Any:
        if folder.name == digest and refused:
            raise EngineError("the GPU is not ready" + str(refused.pop()))
        return load(self, folder)

    monkeypatch.setattr(EngineChoice, "load", once)
    service.verified.clear()
    with Running(tmp_path, service.stand_in.url) as again:
        until(lambda: service.verified and again.loop.digest == digest)
    assert not refused
    assert not any(report.get("failure") for report in service.reports)


def test_a_confirmed_model_that_does_not_load_any_more_gives_way_and_is_named(
    tmp_path: Path, service: Service, first: Made, second: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = service.promote(*first)
    with Running(tmp_path, service.stand_in.url) as running:
        until(lambda: service.verified and not running.store.pointer.provisional)
        bad = service.promote(*second, deployment="promotion-2")
        until(lambda: running.store.pointer.active == bad and not running.store.pointer.provisional)
    load = EngineChoice.load

    def never(self: EngineChoice, folder: Path) -> Any:
        if folder.name == bad:
            raise EngineError("no kernel for this")
        return load(self, folder)

    monkeypatch.setattr(EngineChoice, "load", never)
    with Running(tmp_path, service.stand_in.url) as again:
        until(lambda: any(report.get("failure") for report in service.reports))
        assert again.loop.digest == again.store.pointer.active == good
    told = next(report for report in service.reports if report.get("failure"))
    assert (told["failure"]["code"], told["deployment"], told["digest"]) == ("engine", "promotion-2", good)
