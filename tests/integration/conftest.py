"""No test here reaches AWS: moto answers in this process, our own server on loopback, and no credentials are real."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws

from chalicelib.adapters.aws.clients import dynamodb_client
from chalicelib.adapters.aws.dynamodb_store import DynamoStore
from chalicelib.adapters.embedded.sqlite_store import SqliteStore
from chalicelib.domain.ports import RecordStore

REGION = "eu-west-1"
TABLE = "binsight"
RESOURCES = Path(__file__).parents[2] / ".chalice" / "resources.json"


@pytest.fixture(autouse=True)
def no_account(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_PROFILE", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def aws(no_account: None) -> Iterator[None]:
    with mock_aws():
        yield


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


@pytest.fixture(params=["sqlite", "dynamodb"])
def store(request: pytest.FixtureRequest) -> Iterator[RecordStore]:
    """The same tests on every adapter of the port."""
    if request.param == "sqlite":
        sqlite_store = SqliteStore(request.getfixturevalue("tmp_path") / "state.sqlite")
        yield sqlite_store
        sqlite_store.close()
        return
    request.getfixturevalue("aws")
    client = dynamodb_client(REGION)
    create_table(client)
    yield DynamoStore(OneAtATime(client), TABLE, pause=lambda _: None)
