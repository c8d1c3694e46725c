"""SageMaker endpoints: the model, its configuration and the endpoint bear one name, so that it finds all three."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.adapters.aws.endpoint_settings import EndpointDefaults, production_variant
from chalicelib.adapters.aws.failures import code_of, message_of
from chalicelib.adapters.aws.image_uris import BUILT_IN, built_in_image
from chalicelib.domain.errors import ModelUnavailableError
from chalicelib.domain.fleet_errors import QuotaExceededError
from chalicelib.domain.inference import ServedModel
from chalicelib.domain.model import artifact_name
from chalicelib.domain.ports import EndpointState, EndpointStatus

if TYPE_CHECKING:
    from mypy_boto3_sagemaker import SageMakerClient

STATES = {
    "Creating": EndpointState.CREATING,
    "InService": EndpointState.IN_SERVICE,
    "SystemUpdating": EndpointState.IN_SERVICE,
    "Updating": EndpointState.CREATING,
    "RollingBack": EndpointState.CREATING,
    "Deleting": EndpointState.ABSENT,
}
# SageMaker has one code for everything, `ValidationException`; only its message tells these apart.
MISSING = ("could not find", "does not exist", "not found")
EXISTING = ("already exist",)
QUOTA = "ResourceLimitExceeded"


@dataclass(frozen=True)
class EndpointSite:
    """Where endpoints are made: all that CloudFormation knows and a request does not."""

    region: str
    bucket: str
    role_arn: str
    container_image: str
    defaults: EndpointDefaults = field(default_factory=EndpointDefaults)


class Endpoints:
    def __init__(self, client: SageMakerClient, site: EndpointSite) -> None:
        self._client = client
        self._site = site

    def create(self, served: ServedModel, settings: Mapping[str, Any]) -> None:
        """Each of the three steps is harmless when it was taken before, so that a broken off one can be taken again.

        Raises: InvalidFieldError, QuotaExceededError, ModelUnavailableError.
        """
        name, tags = served.endpoint, _tags(served)
        variant: Any = production_variant(name, settings, self._site.defaults)
        container: Any = {"Image": self._image(served), "ModelDataUrl": self._artifact_url(served)}
        with _unless(EXISTING):
            self._client.create_model(
                ModelName=name, PrimaryContainer=container, ExecutionRoleArn=self._role(), Tags=tags
            )
        with _unless(EXISTING):
            self._client.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant], Tags=tags)
        with _unless(EXISTING):
            self._client.create_endpoint(EndpointName=name, EndpointConfigName=name, Tags=tags)

    def describe(self, endpoint: str) -> EndpointStatus:
        """Raises: ModelUnavailableError."""
        status, reason = "", ""
        with _unless(MISSING):
            answer = self._client.describe_endpoint(EndpointName=endpoint)
            status, reason = answer["EndpointStatus"], answer.get("FailureReason", "")
        if not status:
            return EndpointStatus(EndpointState.ABSENT)
        return EndpointStatus(STATES.get(status, EndpointState.FAILED), reason)

    def delete(self, endpoint: str) -> None:
        """Raises: ModelUnavailableError, e.g. while SageMaker is still making it."""
        steps: tuple[Callable[[], Any], ...] = (
            lambda: self._client.delete_endpoint(EndpointName=endpoint),
            lambda: self._client.delete_endpoint_config(EndpointConfigName=endpoint),
            lambda: self._client.delete_model(ModelName=endpoint),
        )
        for step in steps:
            with _unless(MISSING):
                step()

    def _image(self, served: ServedModel) -> str:
        if served.container in BUILT_IN:
            return built_in_image(served.container, self._site.region)
        return _configured(self._site.container_image, "BINSIGHT_IMAGE", "the image of our serving container")

    def _role(self) -> str:
        return _configured(self._site.role_arn, "BINSIGHT_ROLE", "the role that SageMaker takes on")

    def _artifact_url(self, served: ServedModel) -> str:
        return f"s3://{self._site.bucket}/{artifact_name(served.digest)}"


def _configured(value: str, variable: str, meaning: str) -> str:
    if not value:
        raise ModelUnavailableError(f"No endpoint can be made here: {variable} does not say {meaning}. Deploy again.")
    return value


def _tags(served: ServedModel) -> Any:
    """By these the reaper knows its own, and finds what a promotion left behind."""
    tags = {
        "application": "binsight",
        "binsight:task": served.task.value,
        "binsight:model": served.model_id,
        "binsight:digest": served.digest,
    }
    return [{"Key": key, "Value": value} for key, value in tags.items()]


@contextmanager
def _unless(harmless: Sequence[str]) -> Iterator[None]:
    """Raises: QuotaExceededError, ModelUnavailableError, unless SageMaker's message is one of the harmless ones."""
    try:
        yield
    except ClientError as error:
        if code_of(error) == QUOTA:
            raise QuotaExceededError(
                f"{message_of(error)} Delete endpoints, or ask AWS for more: Service Quotas, Amazon SageMaker."
            ) from error
        if not any(words in message_of(error).lower() for words in harmless):
            refusal = f"SageMaker refused: {code_of(error)}, {message_of(error)}"
            raise ModelUnavailableError(refusal, retry_after_s=30) from error
    except BotoCoreError as error:
        raise ModelUnavailableError(f"SageMaker does not answer ({error}); try again.", retry_after_s=5) from error
