"""What the account has room for: its quotas from Service Quotas, their use from the endpoints that stand."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.client import BaseClient
from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.adapters.aws.failures import code_of, message_of
from chalicelib.domain.capacity import Capacity, Use
from chalicelib.domain.errors import ModelUnavailableError
from chalicelib.domain.inference import Task

if TYPE_CHECKING:
    from mypy_boto3_sagemaker import SageMakerClient

LOGGER = logging.getLogger(__name__)
SERVICE = "sagemaker"
# What a new account may have, in every Region: assumed where the account does not tell.
LEAST_VARIANTS, LEAST_CONCURRENCY = 50, 10
FOR_ENDPOINTS = " for endpoint usage"
QUOTAS_FRESH_S = 3600.0
PAGE = 100
MAX_PAGES = 100
OURS = {f"binsight-{task.value}-": task for task in Task}
MISSING = ("could not find", "does not exist", "not found")


@dataclass(frozen=True)
class Quotas:
    """Those that have to do with endpoints. `instances`: by type."""

    variants: int = LEAST_VARIANTS
    concurrency: int = LEAST_CONCURRENCY
    instances: dict[str, int] = field(default_factory=dict)
    is_assumed: bool = True


class Account:
    def __init__(
        self, sagemaker: SageMakerClient, quotas: BaseClient, timer: Callable[[], float] = time.monotonic
    ) -> None:
        self._client = sagemaker
        self._quotas_client: Any = quotas
        self._timer = timer
        self._known: tuple[float, Quotas] | None = None

    def capacity(self) -> Capacity:
        """Raises: ModelUnavailableError when SageMaker does not answer."""
        quotas = self._quotas()
        variants = concurrency = foreign = 0
        tasks: set[Task] = set()
        instances = dict.fromkeys(quotas.instances, 0)
        for name, variant in self._variants():
            task = next((task for prefix, task in OURS.items() if name.startswith(prefix)), None)
            tasks |= {task} if task else set()
            kind = variant.get("InstanceType", "")
            if kind in instances:
                instances[kind] += variant.get("InitialInstanceCount", 1)
            if "ServerlessConfig" in variant:
                own = variant["ServerlessConfig"]["MaxConcurrency"]
                variants, concurrency, foreign = variants + 1, concurrency + own, foreign + (0 if task else own)
        return Capacity(
            variants=Use(variants, quotas.variants),
            concurrency=Use(concurrency, quotas.concurrency),
            foreign=foreign,
            tasks=frozenset(tasks),
            instances={kind: Use(used, quotas.instances[kind]) for kind, used in instances.items()},
            is_assumed=quotas.is_assumed,
        )

    def _variants(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Every variant with its endpoint's name. What an endpoint that is being made will use stands in its
        configuration only.
        """
        for name in self._endpoints():
            try:
                config = self._client.describe_endpoint(EndpointName=name)["EndpointConfigName"]
                found: Any = self._client.describe_endpoint_config(EndpointConfigName=config)
            except ClientError as error:
                if not any(words in message_of(error).lower() for words in MISSING):
                    raise _unavailable(f"{code_of(error)}: {message_of(error)}") from error
                continue
            except BotoCoreError as error:
                raise _unavailable(str(error)) from error
            yield from ((name, variant) for variant in found["ProductionVariants"])

    def _endpoints(self) -> list[str]:
        names: list[str] = []
        following: dict[str, Any] = {}
        for _ in range(MAX_PAGES):
            try:
                page = self._client.list_endpoints(MaxResults=PAGE, **following)
            except (ClientError, BotoCoreError) as error:
                raise _unavailable(str(error)) from error
            names += [each["EndpointName"] for each in page["Endpoints"] if each["EndpointStatus"] != "Deleting"]
            if not page.get("NextToken"):
                break
            following = {"NextToken": page["NextToken"]}
        return names

    def _quotas(self) -> Quotas:
        """There are thousands, and they change once in a while."""
        if self._known is None or self._timer() - self._known[0] > QUOTAS_FRESH_S:
            self._known = (self._timer(), self._asked())
        return self._known[1]

    def _asked(self) -> Quotas:
        """An account that may not be asked is taken for a small one."""
        values: dict[str, int] = {}
        following: dict[str, Any] = {}
        try:
            for _ in range(MAX_PAGES):
                page = self._quotas_client.list_service_quotas(ServiceCode=SERVICE, MaxResults=PAGE, **following)
                values |= {each["QuotaName"]: int(each["Value"]) for each in page["Quotas"]}
                if not page.get("NextToken"):
                    break
                following = {"NextToken": page["NextToken"]}
        except (ClientError, BotoCoreError) as error:
            LOGGER.warning("the account's quotas are assumed, Service Quotas does not tell them: %s", error)
        return quotas_of(values)


def quotas_of(values: dict[str, int]) -> Quotas:
    """By their names: AWS documents no list of their codes, and a code that is wrong would be taken for no limit."""
    serverless = {name.lower(): value for name, value in values.items() if "serverless" in name.lower()}
    serverless = {name: value for name, value in serverless.items() if "provisioned" not in name}
    # One names how much a single endpoint may have, at most 200: the account's own is what all share.
    shared = [value for name, value in serverless.items() if "concurren" in name and "per endpoint" not in name]
    counted = [value for name, value in serverless.items() if "concurren" not in name and "endpoint" in name]
    instances = {
        name.removesuffix(FOR_ENDPOINTS): value for name, value in values.items() if name.endswith(FOR_ENDPOINTS)
    }
    return Quotas(
        variants=min(counted, default=LEAST_VARIANTS),
        concurrency=min(shared, default=LEAST_CONCURRENCY),
        instances=instances,
        is_assumed=not (counted and shared),
    )


def _unavailable(reason: str) -> ModelUnavailableError:
    return ModelUnavailableError(f"SageMaker does not say what it serves ({reason}); try again.", retry_after_s=5)
