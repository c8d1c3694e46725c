"""What an endpoint costs, before it is made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chalicelib.domain.cost import HOURLY_USD, PRICES_AS_OF, PRICES_SOURCE
from chalicelib.domain.plan import DEFAULT_CONCURRENCY, DEFAULT_MEMORY_MB

# US dollars a second in which an answer is worked out, for each GB of memory; nothing while nobody asks.
SERVERLESS_USD_PER_GB_S = 0.00002
# In and out together.
SERVERLESS_USD_PER_GB_MOVED = 0.016
MB_PER_GB = 1024
SECONDS_AN_HOUR = 3600


@dataclass(frozen=True)
class EndpointPrice:
    """`hourly_usd` is paid whether anybody asks or not; None where the instance's price is not known here.

    `usd_per_busy_s`: for every second of answering; `most_hourly_usd`: when it answers all the time, all it can.
    """

    hourly_usd: float | None
    usd_per_busy_s: float
    usd_per_gb_moved: float
    most_hourly_usd: float | None
    as_of: str
    source: str

    def to_json(self) -> dict[str, Any]:
        return dict(vars(self))


def free_endpoint(settings: Mapping[str, Any]) -> EndpointPrice:
    """In this process."""
    return EndpointPrice(0.0, 0.0, 0.0, 0.0, "", "this machine")


def sagemaker_endpoint(settings: Mapping[str, Any]) -> EndpointPrice:
    """From the table that training's prices stand in: hosting costs the same for these instances."""
    instance = settings.get("instance_type")
    if instance is not None:
        return _real_time(str(instance), int(settings.get("instance_count", 1)))
    memory_gb = settings.get("memory_mb", DEFAULT_MEMORY_MB) / MB_PER_GB
    busy = SERVERLESS_USD_PER_GB_S * memory_gb
    most = busy * settings.get("max_concurrency", DEFAULT_CONCURRENCY) * SECONDS_AN_HOUR
    return EndpointPrice(0.0, round(busy, 8), SERVERLESS_USD_PER_GB_MOVED, round(most, 4), PRICES_AS_OF, PRICES_SOURCE)


def _real_time(instance: str, count: int) -> EndpointPrice:
    hourly = HOURLY_USD.get(instance)
    total = None if hourly is None else round(hourly * count, 4)
    return EndpointPrice(total, 0.0, SERVERLESS_USD_PER_GB_MOVED, total, PRICES_AS_OF, PRICES_SOURCE)
