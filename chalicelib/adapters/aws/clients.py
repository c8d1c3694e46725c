"""boto3 clients with their time limits: a Lambda behind API Gateway has 29 s for everything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import boto3
from botocore.client import BaseClient
from botocore.config import Config

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sagemaker import SageMakerClient
    from mypy_boto3_sagemaker_runtime import SageMakerRuntimeClient

CONNECT_TIMEOUT_S = 2


def dynamodb_client(region: str, **options: Any) -> DynamoDBClient:
    return boto3.client("dynamodb", region_name=region, config=_config(read_timeout_s=5), **options)


def s3_client(region: str, **options: Any) -> S3Client:
    """Signs its URLs with version 4, the only one that signs headers, for the bucket's own regional address.

    A checksum that botocore adds by itself would stand in a presigned PUT, where the caller's own one is asked for.
    """
    config = _config(
        read_timeout_s=20,
        signature_version="s3v4",
        s3={"addressing_style": "virtual", "us_east_1_regional_endpoint": "regional"},
        request_checksum_calculation="when_required",
    )
    return boto3.client("s3", region_name=region, config=config, **options)


def sagemaker_client(region: str, **options: Any) -> SageMakerClient:
    return boto3.client("sagemaker", region_name=region, config=_config(read_timeout_s=10), **options)


def service_quotas_client(region: str, **options: Any) -> BaseClient:
    client: BaseClient = boto3.client("service-quotas", region_name=region, config=_config(read_timeout_s=5), **options)
    return client


def sagemaker_runtime_client(region: str, read_timeout_s: float, **options: Any) -> SageMakerRuntimeClient:
    """Tries once: the invocation itself decides what is tried again, and until when.

    With a user agent of its own: putting botocore's together is a tenth of the processor time of a call.
    """
    config = Config(
        user_agent="Binsight",
        connect_timeout=min(CONNECT_TIMEOUT_S, read_timeout_s),
        read_timeout=read_timeout_s,
        retries={"total_max_attempts": 1, "mode": "standard"},
    )
    return boto3.client("sagemaker-runtime", region_name=region, config=config, **options)


def _config(read_timeout_s: float, **options: Any) -> Config:
    retries: Any = {"total_max_attempts": 4, "mode": "standard"}
    return Config(connect_timeout=CONNECT_TIMEOUT_S, read_timeout=read_timeout_s, retries=retries, **options)
