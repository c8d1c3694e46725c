"""What a device is to run, and how often it asks."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chalicelib.domain.deployment import ModelRef
from chalicelib.domain.device import Device
from chalicelib.domain.fleet import (
    BACK,
    FORWARD,
    Fleet,
    FleetTarget,
    Overlay,
    Standing,
    UpdateWindow,
    assignment,
    next_check_s,
)
from chalicelib.domain.inference import Task
from chalicelib.domain.quality import Window, worse
from chalicelib.domain.ring import RING

OLD = ModelRef("waste-1", 1, "a" * 64, 1000, ("onnxruntime",))
NEW = ModelRef("waste-2", 2, "b" * 64, 1000, ("onnxruntime",))
CAMERA = Device("cam-1", "kitchen", None, 0.0)
STANDING = FleetTarget("kitchen", Task.CLASSIFY, standing=Standing("p1", OLD))
REACHED = Overlay("p2", NEW, FORWARD, 0, (RING,), rivals=(OLD.digest,))
MINUTE, HOUR = 60, 3600


def test_nothing_promoted_means_the_factory_model() -> None:
    assert assignment(FleetTarget("kitchen"), CAMERA, None).direction == "factory"


def test_a_fleet_runs_what_stands() -> None:
    assigned = assignment(STANDING, CAMERA, None)
    assert (assigned.direction, assigned.deployment, assigned.model) == ("standing", "p1", OLD)


@pytest.mark.parametrize(
    ("overlay", "direction", "model"),
    [
        (REACHED, "forward", NEW),
        (replace(REACHED, lengths=(0,)), "standing", OLD),
        (replace(REACHED, lengths=(0,), first=("cam-1",)), "forward", NEW),
        (replace(REACHED, devices=("cam-2",)), "standing", OLD),
        (replace(REACHED, devices=("cam-1",)), "forward", NEW),
        (replace(REACHED, direction=BACK), "back", OLD),
    ],
)
def test_a_promotion_reaches_by_arc_and_by_name(overlay: Overlay, direction: str, model: ModelRef) -> None:
    assigned = assignment(replace(STANDING, overlay=overlay), CAMERA, None)
    assert (assigned.direction, assigned.model) == (direction, model)


def test_the_way_back_is_proved_against_what_is_taken_back() -> None:
    assigned = assignment(replace(STANDING, overlay=replace(REACHED, direction=BACK)), CAMERA, None)
    assert assigned.rivals == (NEW.digest,)
    assert assigned.promotion == "p2"


def test_a_pin_and_a_closed_window_keep_a_device_where_it_is() -> None:
    target = replace(STANDING, overlay=REACHED)
    assert assignment(target, CAMERA, OLD).direction == "pinned"
    assert assignment(target, CAMERA, None, is_offered=False).model == OLD
    back = replace(STANDING, overlay=replace(REACHED, direction=BACK))
    assert assignment(back, CAMERA, None, is_offered=False).direction == "back"


@pytest.mark.parametrize(
    ("device", "word"),
    [(replace(CAMERA, engine="awscam"), "engine"), (replace(CAMERA, memory_mb=64), "memory")],
)
def test_a_device_that_cannot_run_the_model_is_said_why(device: Device, word: str) -> None:
    assigned = assignment(replace(STANDING, overlay=REACHED), device, None)
    assert assigned.model == OLD
    assert assigned.incompatible is not None
    assert word in assigned.incompatible


@pytest.mark.parametrize(("hour", "is_open"), [(21, False), (22, True), (23, True), (0, True), (4, True), (5, False)])
def test_a_window_may_pass_midnight(hour: int, is_open: bool) -> None:
    window = UpdateWindow.parsed("22:00", "05:00")
    assert window.is_open(hour * HOUR + 1) is is_open
    assert window.to_json() == {"from": "22:00", "until": "05:00"}


def test_a_fleet_stays_under_its_rate_however_large_it_is() -> None:
    fleet = Fleet("kitchen", 0.0, checks_per_s=200)
    waits = [next_check_s(fleet, 100_000, f"cam-{number}", is_active=True) for number in range(3000)]
    assert 100_000 * sum(1 / wait for wait in waits) / len(waits) <= 200
    assert len(set(waits)) > 500


def test_a_small_fleet_asks_more_often_while_a_promotion_is_under_way() -> None:
    fleet = Fleet("kitchen", 0.0)
    assert next_check_s(fleet, 3, "cam-1", is_active=True) < 15 < next_check_s(fleet, 3, "cam-1", is_active=False)


def test_a_target_comes_back_from_its_record_as_it_was() -> None:
    target = replace(STANDING, active="p2", overlay=REACHED, named={"cam-9": Standing("p0", NEW, ("c" * 64,))})
    assert FleetTarget.from_body(target.to_body(), 0) == target


@pytest.mark.parametrize(
    ("before", "after", "is_worse"),
    [
        (Window(500, 25, 450.0), Window(500, 300, 450.0), True),
        (Window(500, 25, 450.0), Window(500, 60, 450.0), False),
        (Window(500, 25, 450.0), Window(500, 25, 350.0), True),
        (Window(500, 25, 450.0), Window(20, 20, 1.0), False),
        (Window(20, 0, 20.0), Window(500, 500, 1.0), False),
    ],
)
def test_a_camera_is_judged_against_its_own_window_before(before: Window, after: Window, is_worse: bool) -> None:
    assert (worse(before, after) is not None) is is_worse
