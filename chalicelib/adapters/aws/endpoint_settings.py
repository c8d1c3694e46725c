"""How an endpoint is equipped: serverless unless an instance type is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chalicelib.domain.errors import InvalidFieldError
from chalicelib.domain.plan import DEFAULT_CONCURRENCY, DEFAULT_MEMORY_MB

MEMORY_MB = (1024, 2048, 3072, 4096, 5120, 6144)
MAX_CONCURRENCY = 200
MAX_INSTANCES = 10
# A variant's name must be the same in an old and a new configuration for SageMaker to replace one by the other.
VARIANT = "primary"


@dataclass(frozen=True)
class EndpointDefaults:
    """What a deployment that says nothing gets."""

    memory_mb: int = DEFAULT_MEMORY_MB
    max_concurrency: int = DEFAULT_CONCURRENCY


def production_variant(model: str, settings: Mapping[str, Any], defaults: EndpointDefaults) -> dict[str, Any]:
    """`settings`: `memory_mb` and `max_concurrency`, or `instance_type` and `instance_count`.

    Raises: InvalidFieldError, which names the field.
    """
    unknown = sorted(settings.keys() - {"memory_mb", "max_concurrency", "instance_type", "instance_count"})
    if unknown:
        raise _invalid(unknown[0], "is no setting of an endpoint")
    variant: dict[str, Any] = {"VariantName": VARIANT, "ModelName": model}
    if settings.get("instance_type") is None:
        return {**variant, "ServerlessConfig": _serverless(settings, defaults)}
    return {**variant, "InitialVariantWeight": 1.0, **_instances(settings)}


def _serverless(settings: Mapping[str, Any], defaults: EndpointDefaults) -> dict[str, int]:
    memory_mb = settings.get("memory_mb", defaults.memory_mb)
    if memory_mb not in MEMORY_MB:
        raise _invalid("memory_mb", f"is one of {', '.join(map(str, MEMORY_MB))}")
    concurrency = settings.get("max_concurrency", defaults.max_concurrency)
    return {
        "MemorySizeInMB": memory_mb,
        "MaxConcurrency": _whole("max_concurrency", concurrency, MAX_CONCURRENCY),
    }


def _instances(settings: Mapping[str, Any]) -> dict[str, Any]:
    instance_type = settings["instance_type"]
    if not isinstance(instance_type, str) or not instance_type.startswith("ml."):
        raise _invalid("instance_type", "is a SageMaker instance type such as ml.c7i.large")
    count = _whole("instance_count", settings.get("instance_count", 1), MAX_INSTANCES)
    return {"InstanceType": instance_type, "InitialInstanceCount": count}


def _whole(field: str, value: Any, most: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
        raise _invalid(field, f"is a whole number from 1 to {most}")
    return value


def _invalid(field: str, rule: str) -> InvalidFieldError:
    return InvalidFieldError(f"'{field}' {rule}.", errors=[{"field": field, "reason": rule}])
