"""Making, describing and removing endpoints, as SageMaker answers it."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from botocore.stub import ANY, Stubber

from chalicelib.adapters.aws.endpoint_settings import EndpointDefaults, production_variant
from chalicelib.adapters.aws.endpoints import Endpoints, EndpointSite
from chalicelib.domain.errors import InvalidFieldError, ModelUnavailableError
from chalicelib.domain.fleet_errors import QuotaExceededError
from chalicelib.domain.inference import ServedModel, Task
from chalicelib.domain.ports import EndpointState
from tests.integration.conftest import REGION, Clients

NAME = "binsight-classify-abc"
SITE = EndpointSite(REGION, "bucket", "arn:aws:iam::123456789012:role/sagemaker", "our.image/binsight:1")
SERVED = ServedModel(NAME, "waste-1", 1, "d" * 64, Task.CLASSIFY, "binsight", {})
ARN = "arn:aws:sagemaker:eu-west-1:123456789012:thing/abc"


@pytest.fixture
def stubber(clients: Clients) -> Iterator[Stubber]:
    with Stubber(clients.sagemaker) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def expect_creation(stubber: Stubber, container: dict[str, Any], variant: dict[str, Any]) -> None:
    stubber.add_response(
        "create_model",
        {"ModelArn": ARN},
        {"ModelName": NAME, "PrimaryContainer": container, "ExecutionRoleArn": SITE.role_arn, "Tags": ANY},
    )
    stubber.add_response(
        "create_endpoint_config",
        {"EndpointConfigArn": ARN},
        {"EndpointConfigName": NAME, "ProductionVariants": [variant], "Tags": ANY},
    )
    tags = [
        {"Key": "application", "Value": "binsight"},
        {"Key": "binsight:task", "Value": "classify"},
        {"Key": "binsight:model", "Value": "waste-1"},
        {"Key": "binsight:digest", "Value": "d" * 64},
    ]
    stubber.add_response(
        "create_endpoint",
        {"EndpointArn": ARN},
        {"EndpointName": NAME, "EndpointConfigName": NAME, "Tags": tags},
    )


def variant(**equipment: Any) -> dict[str, Any]:
    return {"VariantName": "primary", "ModelName": NAME, **equipment}


def test_an_endpoint_is_serverless_unless_told_otherwise(stubber: Stubber) -> None:
    container = {"Image": SITE.container_image, "ModelDataUrl": f"s3://bucket/artifacts/{'d' * 64}.tar.gz"}
    expect_creation(stubber, container, variant(ServerlessConfig={"MemorySizeInMB": 3072, "MaxConcurrency": 5}))
    Endpoints(stubber.client, SITE).create(SERVED, {})


def test_an_instance_type_makes_it_a_real_time_endpoint_of_a_built_in_container(stubber: Stubber) -> None:
    container = {
        "Image": "685385470294.dkr.ecr.eu-west-1.amazonaws.com/image-classification:1",
        "ModelDataUrl": f"s3://bucket/artifacts/{'d' * 64}.tar.gz",
    }
    equipment = {"InitialVariantWeight": 1.0, "InstanceType": "ml.c7i.large", "InitialInstanceCount": 2}
    expect_creation(stubber, container, variant(**equipment))
    served = replace(SERVED, container="image-classification")
    Endpoints(stubber.client, SITE).create(served, {"instance_type": "ml.c7i.large", "instance_count": 2})


def test_a_creation_that_broke_off_is_taken_up_where_it_did(stubber: Stubber) -> None:
    stubber.add_client_error("create_model", "ValidationException", f"Cannot create already existing model '{ARN}'.")
    stubber.add_client_error(
        "create_endpoint_config",
        "ValidationException",
        f"Cannot create already existing endpoint configuration '{ARN}'.",
    )
    stubber.add_response("create_endpoint", {"EndpointArn": ARN})
    Endpoints(stubber.client, SITE).create(SERVED, {})


def test_a_used_up_quota_says_so(stubber: Stubber) -> None:
    stubber.add_response("create_model", {"ModelArn": ARN})
    stubber.add_response("create_endpoint_config", {"EndpointConfigArn": ARN})
    stubber.add_client_error("create_endpoint", "ResourceLimitExceeded", "The account-level service limit is 10.")
    with pytest.raises(QuotaExceededError, match="account-level service limit is 10"):
        Endpoints(stubber.client, SITE).create(SERVED, {})


@pytest.mark.parametrize("lack", [{"role_arn": ""}, {"container_image": ""}])
def test_a_stage_without_role_or_image_makes_no_endpoint(stubber: Stubber, lack: dict[str, str]) -> None:
    with pytest.raises(ModelUnavailableError, match="BINSIGHT_"):
        Endpoints(stubber.client, replace(SITE, **lack)).create(SERVED, {})


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("Creating", EndpointState.CREATING),
        ("InService", EndpointState.IN_SERVICE),
        ("SystemUpdating", EndpointState.IN_SERVICE),
        ("Updating", EndpointState.CREATING),
        ("RollingBack", EndpointState.CREATING),
        ("Deleting", EndpointState.ABSENT),
        ("Failed", EndpointState.FAILED),
        ("OutOfService", EndpointState.FAILED),
        ("UpdateRollbackFailed", EndpointState.FAILED),
        ("ANewWordOfSageMaker", EndpointState.FAILED),
    ],
)
def test_every_status_has_a_state(stubber: Stubber, status: str, state: EndpointState) -> None:
    described = {
        "EndpointName": NAME,
        "EndpointArn": ARN,
        "EndpointStatus": status,
        "FailureReason": "because",
        "CreationTime": 0,
        "LastModifiedTime": 0,
    }
    stubber.add_response("describe_endpoint", described, {"EndpointName": NAME})
    found = Endpoints(stubber.client, SITE).describe(NAME)
    assert (found.state, found.reason) == (state, "because")


def test_an_endpoint_that_nobody_made_is_absent(stubber: Stubber) -> None:
    stubber.add_client_error("describe_endpoint", "ValidationException", f'Could not find endpoint "{ARN}".')
    assert Endpoints(stubber.client, SITE).describe(NAME).state is EndpointState.ABSENT


@pytest.mark.parametrize("code", ["ThrottlingException", "InternalFailure", "AccessDeniedException"])
def test_what_sagemaker_cannot_say_is_not_taken_for_absent(stubber: Stubber, code: str) -> None:
    stubber.add_client_error("describe_endpoint", code, "no")
    with pytest.raises(ModelUnavailableError, match=code):
        Endpoints(stubber.client, SITE).describe(NAME)


def test_removing_takes_all_three_away_whichever_are_left(stubber: Stubber) -> None:
    stubber.add_client_error("delete_endpoint", "ValidationException", f'Could not find endpoint "{ARN}".')
    stubber.add_response("delete_endpoint_config", {}, {"EndpointConfigName": NAME})
    stubber.add_client_error("delete_model", "ValidationException", f'Could not find model "{ARN}".')
    Endpoints(stubber.client, SITE).delete(NAME)


def test_what_is_still_being_made_cannot_be_removed_yet(stubber: Stubber) -> None:
    stubber.add_client_error("delete_endpoint", "ValidationException", "Cannot update in-progress endpoint.")
    with pytest.raises(ModelUnavailableError, match="in-progress") as caught:
        Endpoints(stubber.client, SITE).delete(NAME)
    assert caught.value.members["retry_after_s"] >= 1


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"memory_mb": 3000}, "memory_mb"),
        ({"memory_mb": "3072"}, "memory_mb"),
        ({"max_concurrency": 0}, "max_concurrency"),
        ({"max_concurrency": 201}, "max_concurrency"),
        ({"max_concurrency": True}, "max_concurrency"),
        ({"instance_type": "c7i.large"}, "instance_type"),
        ({"instance_type": 7}, "instance_type"),
        ({"instance_type": "ml.c7i.large", "instance_count": 0}, "instance_count"),
        ({"instance_kind": "ml.c7i.large"}, "instance_kind"),
    ],
)
def test_settings_that_do_not_fit_are_refused_by_name(settings: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidFieldError) as caught:
        production_variant(NAME, settings, EndpointDefaults())
    assert caught.value.members["errors"][0]["field"] == field
