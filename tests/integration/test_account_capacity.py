"""What an account has room for, as Service Quotas and SageMaker tell it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.stub import Stubber

from chalicelib.adapters.aws.account import Account, quotas_of
from chalicelib.adapters.aws.clients import service_quotas_client
from chalicelib.adapters.embedded.runtime import InProcessRuntime
from chalicelib.domain.capacity import Use
from chalicelib.domain.errors import ModelUnavailableError
from chalicelib.domain.inference import Task
from tests.integration.conftest import REGION, Clients
from tests.integration.serving import folder_blobs

QUOTAS = {
    "Maximum number of serverless endpoints": 50,
    "Maximum total concurrency across all serverless endpoints": 20,
    "Maximum total provisioned concurrency across all serverless endpoints": 5,
    "ml.m5.large for endpoint usage": 4,
    "ml.m5.large for training job usage": 9,
}
OURS, THEIRS = "binsight-count-abc", "somebody-elses"


@pytest.fixture
def account(aws: Clients) -> Account:
    aws.sagemaker.create_model(
        ModelName="model", PrimaryContainer={"Image": "i"}, ExecutionRoleArn="arn:aws:iam::123456789012:role/r"
    )
    return Account(aws.sagemaker, service_quotas_client(REGION))


@pytest.fixture
def quotas(account: Account) -> Iterator[Stubber]:
    with Stubber(account._quotas_client) as stubber:
        yield stubber


def tell(quotas: Stubber, *pages: dict[str, float]) -> None:
    for number, page in enumerate(pages):
        listed: Any = {"Quotas": [{"QuotaName": name, "Value": value} for name, value in page.items()]}
        asked = {"ServiceCode": "sagemaker", "MaxResults": 100} | ({"NextToken": str(number)} if number else {})
        following = {"NextToken": str(number + 1)} if number + 1 < len(pages) else {}
        quotas.add_response("list_service_quotas", {**listed, **following}, asked)


def endpoint(aws: Clients, name: str, **equipment: Any) -> None:
    variant = {"VariantName": "primary", "ModelName": "model", **equipment}
    aws.sagemaker.create_endpoint_config(EndpointConfigName=f"{name}-config", ProductionVariants=[variant])
    aws.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=f"{name}-config")


def serverless(concurrency: int) -> dict[str, Any]:
    return {"ServerlessConfig": {"MemorySizeInMB": 2048, "MaxConcurrency": concurrency}}


def test_quotas_and_their_use_are_counted_over_all_endpoints(aws: Clients, account: Account, quotas: Stubber) -> None:
    tell(quotas, dict(list(QUOTAS.items())[:1]), dict(list(QUOTAS.items())[1:]))
    endpoint(aws, OURS, **serverless(3))
    endpoint(aws, THEIRS, **serverless(8))
    endpoint(aws, "real-time", InstanceType="ml.m5.large", InitialInstanceCount=2, InitialVariantWeight=1.0)
    found = account.capacity()
    assert (found.variants, found.concurrency, found.foreign) == (Use(2, 50), Use(11, 20), 8)
    assert found.tasks == {Task.COUNT}
    assert found.instances == {"ml.m5.large": Use(2, 4)}
    assert not found.is_assumed


def test_quotas_are_asked_once_an_hour_and_their_use_every_time(aws: Clients, quotas: Stubber) -> None:
    now = [0.0]
    account = Account(aws.sagemaker, quotas.client, lambda: now[0])
    tell(quotas, QUOTAS)
    assert account.capacity().concurrency == Use(0, 20)
    aws.sagemaker.create_model(
        ModelName="model-2", PrimaryContainer={"Image": "i"}, ExecutionRoleArn="arn:aws:iam::123456789012:role/r"
    )
    endpoint(aws, OURS, **serverless(3))
    assert account.capacity().concurrency == Use(3, 20)
    now[0] = 4000.0
    tell(quotas, QUOTAS | {"Maximum total concurrency across all serverless endpoints": 200})
    assert account.capacity().concurrency == Use(3, 200)


def test_an_account_that_does_not_tell_is_taken_for_a_small_one(account: Account, quotas: Stubber) -> None:
    quotas.add_client_error("list_service_quotas", "AccessDeniedException", "no")
    found = account.capacity()
    assert (found.variants.most, found.concurrency.most, found.is_assumed) == (50, 10, True)


def test_names_that_amazon_may_change_are_not_taken_for_no_limit() -> None:
    assert quotas_of({"Something else": 3}).is_assumed
    assert quotas_of({"Maximum concurrency per endpoint for serverless": 200}).concurrency == 10


def test_an_endpoint_that_is_gone_meanwhile_is_not_counted(clients: Clients) -> None:
    with Stubber(clients.sagemaker) as sagemaker, Stubber(service_quotas_client(REGION)) as asked:
        tell(asked, QUOTAS)
        summary = {"EndpointArn": "arn:aws:sagemaker:eu-west-1:123456789012:endpoint/x", "CreationTime": 0}
        summary |= {"LastModifiedTime": 0, "EndpointStatus": "Deleting"}
        listed: Any = [{**summary, "EndpointName": "going"}, {**summary, "EndpointName": "gone"}]
        listed[1]["EndpointStatus"] = "InService"
        sagemaker.add_response("list_endpoints", {"Endpoints": listed}, {"MaxResults": 100})
        sagemaker.add_client_error("describe_endpoint", "ValidationException", 'Could not find endpoint "gone".')
        assert Account(sagemaker.client, asked.client).capacity().variants == Use(0, 50)


@pytest.mark.parametrize("method", ["list_endpoints", "describe_endpoint"])
def test_without_an_answer_nothing_is_taken_for_free(clients: Clients, method: str) -> None:
    with Stubber(clients.sagemaker) as sagemaker, Stubber(service_quotas_client(REGION)) as asked:
        tell(asked, QUOTAS)
        if method == "describe_endpoint":
            summary = {"EndpointArn": "arn:aws:sagemaker:eu-west-1:123456789012:endpoint/x", "CreationTime": 0}
            summary |= {"LastModifiedTime": 0, "EndpointStatus": "InService", "EndpointName": "one"}
            sagemaker.add_response("list_endpoints", {"Endpoints": [summary]})
        sagemaker.add_client_error(method, "ThrottlingException", "slow down")
        with pytest.raises(ModelUnavailableError, match="ThrottlingException"):
            Account(sagemaker.client, asked.client).capacity()


def test_this_machine_counts_nothing(tmp_path: Any) -> None:
    assert InProcessRuntime(folder_blobs(tmp_path), tmp_path / "cache").capacity() is None
