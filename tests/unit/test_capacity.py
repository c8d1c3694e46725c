"""How much of an account's quotas an endpoint may take, and what it costs."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.domain.capacity import Capacity, Use, fitted
from chalicelib.domain.cost import HOURLY_USD
from chalicelib.domain.endpoint_cost import free_endpoint, sagemaker_endpoint
from chalicelib.domain.fleet_errors import QuotaExceededError
from chalicelib.domain.inference import Task
from chalicelib.domain.plan import EndpointPlan


def capacity(used: int = 0, most: int = 10, variants: int = 0, **changes: Any) -> Capacity:
    return Capacity(Use(variants, 50), Use(used, most), **changes)


def granted(asked: dict[str, Any], room: Capacity, task: Task = Task.CLASSIFY) -> int:
    return int(fitted(EndpointPlan(asked), task, room).settings["max_concurrency"])


def test_an_account_of_ten_serves_three_tasks_and_promotes_each_again_and_again() -> None:
    """Every new endpoint stands beside its old one, which goes when the promotion has ended."""
    live: dict[Task, int] = {}
    for task in (*Task, *Task, *reversed(Task)):
        room = capacity(sum(live.values()), tasks=frozenset(live))
        new = granted({}, room, task)
        assert sum(live.values()) + new <= 10, (task, live)
        assert new >= 1
        live[task] = new


def test_a_large_account_gives_what_an_endpoint_gets_by_default() -> None:
    assert granted({}, capacity(most=200)) == 5


def test_what_others_use_is_not_split() -> None:
    assert granted({}, capacity(used=6, most=10, foreign=6)) == 2


@pytest.mark.parametrize(
    ("asked", "room", "named"),
    [
        ({}, capacity(used=10), "10 of the 10"),
        ({"max_concurrency": 8}, capacity(used=4), "8 more concurrent"),
        ({}, capacity(variants=50), "50 of the 50"),
        ({"instance_type": "ml.m5.large"}, capacity(instances={"ml.m5.large": Use(2, 2)}), "ml.m5.large"),
        ({"instance_type": "ml.g5.xlarge", "instance_count": 2}, capacity(instances={"ml.g5.xlarge": Use(1, 2)}), "2"),
    ],
)  # fmt: skip
def test_a_lack_is_named_with_its_figures(asked: dict[str, Any], room: Capacity, named: str) -> None:
    with pytest.raises(QuotaExceededError, match=named) as caught:
        fitted(EndpointPlan(asked), Task.CLASSIFY, room)
    assert {"needed", "used", "most"} <= caught.value.members.keys()


def test_a_quota_that_is_only_assumed_splits_and_refuses_nothing() -> None:
    assert granted({}, capacity(used=40, is_assumed=True)) == 1
    assert granted({"max_concurrency": 30}, capacity(used=40, is_assumed=True)) == 30


def test_an_instance_leaves_serverless_quotas_alone() -> None:
    plan = EndpointPlan({"instance_type": "ml.m5.large"})
    assert fitted(plan, Task.CLASSIFY, capacity(used=10, variants=50)) == plan


def test_a_serverless_endpoint_costs_by_the_second_and_its_memory() -> None:
    price = sagemaker_endpoint({"memory_mb": 2048, "max_concurrency": 3})
    assert (price.hourly_usd, price.usd_per_busy_s) == (0.0, 0.00004)
    assert price.most_hourly_usd == pytest.approx(3600 * 3 * 0.00004)
    assert price.as_of
    assert price.source


def test_a_real_time_endpoint_costs_by_the_hour_whether_anybody_asks_or_not() -> None:
    price = sagemaker_endpoint({"instance_type": "ml.m5.large", "instance_count": 2})
    assert price.hourly_usd == price.most_hourly_usd == 2 * HOURLY_USD["ml.m5.large"]


def test_an_instance_without_a_known_price_has_none() -> None:
    assert sagemaker_endpoint({"instance_type": "ml.x9.huge"}).hourly_usd is None


def test_this_machine_costs_nothing() -> None:
    assert free_endpoint({}).most_hourly_usd == 0
