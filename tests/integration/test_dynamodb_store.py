"""What only DynamoDB can answer: cancelled transactions, throttling, no answer at all."""

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse, HeadersDict
from botocore.exceptions import ClientError, ReadTimeoutError
from botocore.stub import Stubber

from chalicelib.adapters.aws.clients import dynamodb_client
from chalicelib.adapters.aws.dynamodb_store import MAX_TRIES, DynamoStore
from chalicelib.domain.errors import InvalidQueryError, StoreUnavailableError, WriteConflictError
from chalicelib.domain.ports import Add, Check, Key, Put, Record
from tests.integration.conftest import REGION, TABLE, Clients

A, B = Key("A", "1"), Key("B", "1")


@pytest.fixture
def stubber(clients: Clients) -> Iterator[Stubber]:
    with Stubber(clients.dynamodb) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def store(stubber: Stubber, pauses: list[float]) -> DynamoStore:
    return DynamoStore(stubber.client, TABLE, pause=pauses.append)


def cancel(stubber: Stubber, *codes: str) -> None:
    stubber.add_client_error(
        "transact_write_items",
        "TransactionCanceledException",
        http_status_code=400,
        modeled_fields={"CancellationReasons": [{"Code": code} for code in codes]},
    )


def accept(stubber: Stubber) -> None:
    stubber.add_response("transact_write_items", {})


def put(key: Key) -> Put:
    return Put(Record(key, {}), expected_version=1)


def test_a_transaction_that_collided_is_tried_again_after_a_pause(
    store: DynamoStore, stubber: Stubber, pauses: list[float]
) -> None:
    cancel(stubber, "TransactionConflict", "None")
    cancel(stubber, "None", "TransactionConflict")
    accept(stubber)
    store.write(put(A), put(B))
    assert len(pauses) == 2


def test_a_transaction_that_collides_for_ever_is_a_conflict_of_its_keys(store: DynamoStore, stubber: Stubber) -> None:
    for _ in range(MAX_TRIES):
        cancel(stubber, "None", "TransactionConflict")
    with pytest.raises(WriteConflictError) as caught:
        store.write(put(A), put(B))
    assert caught.value.members["keys"] == [B]
    assert isinstance(caught.value.__cause__, ClientError)


def test_a_failed_condition_is_not_tried_again_whatever_else_collided(store: DynamoStore, stubber: Stubber) -> None:
    cancel(stubber, "ConditionalCheckFailed", "TransactionConflict")
    with pytest.raises(WriteConflictError) as caught:
        store.write(put(A), put(B))
    assert caught.value.members["keys"] == [A]


@pytest.mark.parametrize("code", ["ThrottlingError", "ProvisionedThroughputExceeded"])
def test_a_throttled_transaction_is_tried_again_and_then_the_store_is_unavailable(
    store: DynamoStore, stubber: Stubber, code: str
) -> None:
    for _ in range(MAX_TRIES):
        cancel(stubber, "None", code)
    with pytest.raises(StoreUnavailableError) as caught:
        store.write(put(A), put(B))
    assert caught.value.members["retry_after_s"] >= 1


def test_what_no_retry_mends_is_not_tried_again(store: DynamoStore, stubber: Stubber) -> None:
    cancel(stubber, "ItemCollectionSizeLimitExceeded", "None")
    with pytest.raises(StoreUnavailableError, match="ItemCollectionSizeLimitExceeded"):
        store.write(put(A), put(B))


def test_an_addition_to_what_was_deleted_meanwhile_makes_it_again(store: DynamoStore, stubber: Stubber) -> None:
    cancel(stubber, "ConditionalCheckFailed")
    cancel(stubber, "TransactionConflict")
    accept(stubber)
    store.write(Add(A, {"n": 1}))


def test_an_addition_whose_path_is_missed_before_its_condition_makes_the_item(
    store: DynamoStore, stubber: Stubber
) -> None:
    cancel(stubber, "None", "ValidationError")
    accept(stubber)
    store.write(put(A), Add(B, {"n": 1}))


def test_a_put_that_dynamodb_finds_invalid_is_not_tried_again(store: DynamoStore, stubber: Stubber) -> None:
    cancel(stubber, "ValidationError", "None")
    with pytest.raises(StoreUnavailableError, match="ValidationError"):
        store.write(put(A), Add(B, {"n": 1}))


def test_a_retry_after_a_lost_answer_is_the_same_transaction_to_dynamodb(no_account: None) -> None:
    client = dynamodb_client(REGION)
    tokens: list[str] = []

    def lose_the_first_answer(request: Any, **_: Any) -> AWSResponse:
        tokens.append(json.loads(request.body)["ClientRequestToken"])
        if len(tokens) == 1:
            raise ReadTimeoutError(endpoint_url=request.url)
        raw = SimpleNamespace(stream=lambda: iter([b"{}"]))
        return AWSResponse(request.url, 200, HeadersDict({}), raw)

    client.meta.events.register("before-send.dynamodb.TransactWriteItems", lose_the_first_answer)
    DynamoStore(client, TABLE).write(Add(A, {"n": 1}))
    assert len(tokens) == 2
    assert tokens[0] == tokens[1]


def test_a_blind_write_that_meets_a_transaction_is_tried_again(store: DynamoStore, stubber: Stubber) -> None:
    stubber.add_client_error("update_item", "TransactionConflictException")
    stubber.add_response("update_item", {})
    store.write(Put(Record(A, {}), expected_version=None))


@pytest.mark.parametrize("code", ["ThrottlingException", "InternalServerError", "AccessDeniedException"])
def test_every_other_answer_is_an_unavailable_store(store: DynamoStore, stubber: Stubber, code: str) -> None:
    stubber.add_client_error("get_item", code, "details")
    stubber.add_client_error("query", code, "details")
    stubber.add_client_error("transact_write_items", code, "details")
    for attempt in (lambda: store.get(A), lambda: store.query("A"), lambda: store.write(Check(A, 1))):
        with pytest.raises(StoreUnavailableError, match="details") as caught:
            attempt()
        assert isinstance(caught.value.__cause__, ClientError)


def test_a_cursor_that_dynamodb_does_not_take_is_the_callers_fault(store: DynamoStore, stubber: Stubber) -> None:
    message = "The provided starting key is outside query boundaries based on provided conditions"
    stubber.add_client_error("query", "ValidationException", message)
    with pytest.raises(InvalidQueryError):
        store.query("A", prefix="b", after=("a",))


def test_a_table_that_cannot_be_reached_is_an_unavailable_store(no_account: None) -> None:
    client = dynamodb_client(REGION, endpoint_url="http://127.0.0.1:9")
    with pytest.raises(StoreUnavailableError) as caught:
        DynamoStore(client, TABLE).get(A)
    assert caught.value.members["retry_after_s"] >= 1
