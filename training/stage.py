"""A stage on AWS as training needs it: its service's address and the bucket that the photos go to."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

STACK = "binsight-{}"
UPLOADS_AT_ONCE = 8
PAGE = 1000


class StageError(RuntimeError):
    """The stage cannot be reached; the message says what to set."""


@dataclass(frozen=True)
class Stage:
    url: str
    bucket: str


def find_stage(name: str, stacks: Any, environ: Mapping[str, str] = os.environ) -> Stage:
    """From BINSIGHT_URL and BINSIGHT_BUCKET; what is not set there is asked of the stage's CloudFormation stack.

    `stacks` is boto3's CloudFormation client. Raises: StageError.
    """
    url, bucket = environ.get("BINSIGHT_URL", ""), environ.get("BINSIGHT_BUCKET", "")
    outputs = {} if url and bucket else stack_outputs(name, stacks)
    url, bucket = url or outputs.get("EndpointURL", ""), bucket or outputs.get("BucketName", "")
    if not url or not bucket:
        raise StageError(f"stage {name} does not say its address and bucket: set BINSIGHT_URL and BINSIGHT_BUCKET")
    return Stage(url.rstrip("/"), bucket)


def stack_outputs(name: str, stacks: Any) -> dict[str, str]:
    """What a stage's CloudFormation stack says of itself. Raises: StageError."""
    from botocore.exceptions import BotoCoreError, ClientError  # only AWS needs boto3, and it takes a while

    stack = STACK.format(name)
    try:
        (found,) = stacks.describe_stacks(StackName=stack)["Stacks"]
    except (BotoCoreError, ClientError) as error:
        raise StageError(f"stack {stack}: {error}; set BINSIGHT_URL and BINSIGHT_BUCKET") from error
    return {each["OutputKey"]: each["OutputValue"] for each in found.get("Outputs", [])}


def upload_folder(folder: Path, bucket: str, prefix: str, s3: Any, advance: Callable[[int], None]) -> int:
    """Every file under `prefix` that is not there in the same size; answers how many were sent.

    `s3` is boto3's client; links are followed. Raises: StageError.
    """
    from boto3.exceptions import S3UploadFailedError
    from botocore.exceptions import BotoCoreError, ClientError

    files = {f"{prefix}/{path.relative_to(folder).as_posix()}": path for path in sorted(_files(folder))}
    try:
        there = dict(_stored(bucket, f"{prefix}/", s3))
        wanted = {key: path for key, path in files.items() if there.get(key) != path.stat().st_size}
        advance(len(files) - len(wanted))

        def send(key: str) -> None:
            s3.upload_file(str(wanted[key]), bucket, key)
            advance(1)

        with ThreadPoolExecutor(UPLOADS_AT_ONCE) as pool:
            list(pool.map(send, wanted))
    except (BotoCoreError, ClientError, S3UploadFailedError) as error:
        raise StageError(f"s3://{bucket}/{prefix}: {error}") from error
    return len(wanted)


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))


def _stored(bucket: str, prefix: str, s3: Any) -> Iterator[tuple[str, int]]:
    pages = s3.get_paginator("list_objects_v2").paginate(
        Bucket=bucket, Prefix=prefix, PaginationConfig={"PageSize": PAGE}
    )
    for page in pages:
        for each in page.get("Contents", []):
            yield each["Key"], each["Size"]
