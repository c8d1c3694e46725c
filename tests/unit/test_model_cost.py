"""Prices and the budget."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chalicelib.domain.cost import HOURLY_USD, check_budget, free_training, sagemaker_training
from chalicelib.domain.errors import OverBudgetError
from chalicelib.domain.inference import Task
from chalicelib.domain.training_job import JobDefinition

DEFINITION = JobDefinition("waste", Task.CLASSIFY, "binsight", {}, "ml.g4dn.xlarge", 2, 1800, True, {})


def test_the_most_it_can_cost_is_its_whole_time_on_all_its_instances() -> None:
    price = sagemaker_training(DEFINITION)
    assert price.most_usd == pytest.approx(HOURLY_USD["ml.g4dn.xlarge"] * 2 * 0.5)
    assert price.source.startswith("https://aws.amazon.com/")
    assert price.as_of


def test_on_this_machine_it_costs_nothing() -> None:
    assert free_training(DEFINITION).most_usd == 0
    check_budget(free_training(DEFINITION), 0.0, allow_over_budget=False)


def test_over_the_budget_needs_permission() -> None:
    price = sagemaker_training(replace(DEFINITION, max_runtime_s=100 * 3600))
    with pytest.raises(OverBudgetError, match="allow_over_budget") as refusal:
        check_budget(price, 100.0, allow_over_budget=False)
    assert refusal.value.members["price"]["most_usd"] == price.most_usd
    check_budget(price, 100.0, allow_over_budget=True)
    check_budget(price, price.most_usd, allow_over_budget=False)


def test_an_instance_without_a_price_is_refused_by_name() -> None:
    with pytest.raises(OverBudgetError, match=r"ml\.p99\.huge"):
        sagemaker_training(replace(DEFINITION, instance_type="ml.p99.huge"))
