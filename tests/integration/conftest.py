"""No test here reaches AWS: moto answers in this process, and our own server on loopback."""

import json
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws

from chalicelib.adapters.aws.clients import dynamodb_client, s3_client, sagemaker_client
from chalicelib.adapters.aws.dynamodb_store import DynamoStore
from chalicelib.adapters.aws.s3_blobs import S3Blobs
from chalicelib.adapters.embedded.sqlite_store import SqliteStore
from chalicelib.domain.ports import RecordStore
from tests.conftest import REGION
from tests.integration import ministack

TABLE = "binsight"
BUCKET = "binsight-files"
RESOURCES = Path(__file__).parents[2] / ".chalice" / "resources.json"


@dataclass(frozen=True)
class Clients:
    dynamodb: Any
    s3: Any
    sagemaker: Any


@pytest.fixture(scope="session")
def clients(no_account: None) -> Clients:
    """Made once: reading AWS's service descriptions takes longer than most tests."""
    return Clients(dynamodb_client(REGION), s3_client(REGION), sagemaker_client(REGION))


@pytest.fixture
def aws(clients: Clients) -> Iterator[Clients]:
    """The clients, answered by a moto that knows nothing yet."""
    with mock_aws():
        yield clients


@pytest.fixture
def s3_blobs(aws: Clients) -> S3Blobs:
    aws.s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    return S3Blobs(aws.s3, BUCKET, time.time)


@pytest.fixture
def ministack_blobs(ministack_clients: Clients) -> S3Blobs:
    bucket = f"{BUCKET}-{uuid.uuid4().hex[:12]}"
    ministack_clients.s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    return S3Blobs(ministack_clients.s3, bucket, time.time)


class OneAtATime:
    """moto undoes a failed transaction by putting the whole table back: its calls must not overlap. Ours still do."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._lock = threading.Lock()

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            with self._lock:
                return method(*args, **kwargs)

        return call


def create_table(client: Any, name: str = TABLE) -> None:
    """The table of the CloudFormation template itself."""
    properties = json.loads(RESOURCES.read_text())["Resources"]["Table"]["Properties"]
    wanted = ("BillingMode", "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes")
    client.create_table(TableName=name, **{key: properties[key] for key in wanted})


@pytest.fixture(scope="session")
def ministack_url(no_account: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    executable = ministack.program()
    if executable is None:
        pytest.skip(ministack.HOW)
    with ministack.running(executable, tmp_path_factory.mktemp("ministack")) as url:
        yield url


@pytest.fixture(scope="session")
def ministack_clients(ministack_url: str) -> Clients:
    options = {"endpoint_url": ministack_url}
    return Clients(dynamodb_client(REGION, **options), s3_client(REGION, **options), None)


@pytest.fixture(params=["sqlite", "dynamodb", "ministack"])
def store(request: pytest.FixtureRequest) -> Iterator[RecordStore]:
    """The same tests on every adapter of the port."""
    if request.param == "sqlite":
        sqlite_store = SqliteStore(request.getfixturevalue("tmp_path") / "state.sqlite")
        yield sqlite_store
        sqlite_store.close()
        return
    if request.param == "ministack":
        client = request.getfixturevalue("ministack_clients").dynamodb
        name = f"{TABLE}-{uuid.uuid4().hex}"
        create_table(client, name)
        yield DynamoStore(client, name)
        client.delete_table(TableName=name)
        return
    client = request.getfixturevalue("aws").dynamodb
    create_table(client)
    yield DynamoStore(OneAtATime(client), TABLE, pause=lambda _: None)
