"""What things cost before they are begun, and whether the budget allows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chalicelib.domain.errors import OverBudgetError
from chalicelib.domain.training_job import JobDefinition

# US dollars an hour, on demand, for SageMaker training and processing. Prices differ by Region and change: the answer
# names date and source, and the bill is AWS's.
PRICES_AS_OF = "2024-11"
PRICES_SOURCE = "https://aws.amazon.com/sagemaker/pricing/ (US East, N. Virginia)"
HOURLY_USD: Mapping[str, float] = {
    "ml.m5.large": 0.115,
    "ml.m5.xlarge": 0.23,
    "ml.m5.2xlarge": 0.461,
    "ml.m5.4xlarge": 0.922,
    "ml.c5.xlarge": 0.204,
    "ml.c5.2xlarge": 0.408,
    "ml.c5.4xlarge": 0.816,
    "ml.g4dn.xlarge": 0.736,
    "ml.g4dn.2xlarge": 0.94,
    "ml.g4dn.4xlarge": 1.505,
    "ml.g5.xlarge": 1.408,
    "ml.g5.2xlarge": 1.515,
    "ml.p3.2xlarge": 3.825,
}


@dataclass(frozen=True)
class Price:
    """`most_usd`: when it runs as long as it may. Spot usually costs less, and is never promised to."""

    hourly_usd: float
    hours: float
    as_of: str
    source: str

    @property
    def most_usd(self) -> float:
        return round(self.hourly_usd * self.hours, 4)

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "most_usd": self.most_usd}


def free_training(definition: JobDefinition) -> Price:
    """On this machine."""
    return Price(0.0, round(definition.max_runtime_s / 3600, 4), "", "this machine")


def sagemaker_training(definition: JobDefinition) -> Price:
    """Raises: OverBudgetError for an instance whose price is not in the table: what is unknown is over any budget."""
    hourly_usd = HOURLY_USD.get(definition.instance_type)
    if hourly_usd is None:
        raise OverBudgetError(
            f"The price of '{definition.instance_type}' is not known here; take one of {', '.join(sorted(HOURLY_USD))}."
        )
    hours = round(definition.max_runtime_s / 3600, 4)
    return Price(hourly_usd * definition.instance_count, hours, PRICES_AS_OF, PRICES_SOURCE)


def check_budget(price: Price, budget_usd: float, allow_over_budget: bool) -> None:
    """Raises: OverBudgetError."""
    if price.most_usd > budget_usd and not allow_over_budget:
        raise OverBudgetError(
            f"This may cost {price.most_usd:.2f} USD; the budget is {budget_usd:.2f}. "
            "Shorten it, or send 'allow_over_budget': true.",
            price=price.to_json(),
            budget_usd=budget_usd,
        )
