"""RecordStore on one DynamoDB table: transactions with conditions, consistent reads by key, queries, never a scan."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence, Set
from typing import TYPE_CHECKING, Any, TypeGuard

from botocore.exceptions import ClientError

from chalicelib.adapters.aws.dynamodb_items import Item, key_item, record_from, start_key
from chalicelib.adapters.aws.dynamodb_writes import is_blind, operation
from chalicelib.adapters.aws.failures import THROTTLED, code_of, message_of, store_errors, unavailable
from chalicelib.adapters.cursors import checked, cursor_of, foreign_cursor
from chalicelib.adapters.transactions import check_writes, key_of
from chalicelib.domain.errors import RecordNotFoundError, StoreUnavailableError, WriteConflictError
from chalicelib.domain.ports import Add, Cursor, Index, Key, Page, Record, RecordStore, Write

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

STORE = "The table"
MAX_TRIES = 8
PAUSE_S = 0.02
MAX_PAUSE_S = 0.5
FAILED_CONDITION = "ConditionalCheckFailed"
NO_SUCH_PATH = "ValidationError"
# Another transaction was at the same item, or this very one still is after an answer got lost: nothing was decided.
COLLISIONS = frozenset({"TransactionConflict", "TransactionConflictException", "TransactionInProgressException"})


class DynamoStore(RecordStore):
    def __init__(self, client: DynamoDBClient, table: str, pause: Callable[[float], None] = time.sleep) -> None:
        """`table` has the keys partition and sort and the indexes index1 and index2, which project everything."""
        self._client = client
        self._table = table
        self._pause = pause

    def get(self, key: Key) -> Record:
        with store_errors(STORE):
            answer = self._client.get_item(TableName=self._table, Key=key_item(key), ConsistentRead=True)
        if "Item" not in answer:
            raise RecordNotFoundError(f"Nothing is stored under {key.partition} / {key.sort}.")
        return record_from(answer["Item"])

    def query(
        self,
        partition: str,
        *,
        index: Index = Index.PRIMARY,
        prefix: str = "",
        after: Cursor | None = None,
        limit: int = 50,
        newest_first: bool = False,
    ) -> Page:
        """One more than `limit` is read, so that a cursor is given only where a record follows."""
        after = checked(after, index)
        arguments = _condition(partition, index, prefix)
        arguments |= {"TableName": self._table, "ScanIndexForward": not newest_first}
        start = start_key(partition, index, after) if after else None
        found = [record_from(item) for item in self._items(arguments, start, limit + 1)]
        return Page(tuple(found[:limit]), cursor_of(found[limit - 1], index) if len(found) > limit else None)

    def write(self, *writes: Write) -> None:
        check_writes(writes)
        new: set[Key] = set()
        for tried in range(1, MAX_TRIES + 1):
            failure = self._try(writes, new)
            if failure is None:
                return
            reasons = dict(zip(map(key_of, writes), _reasons(failure, len(writes)), strict=True))
            new ^= _mistaken(writes, reasons, new, failure)
            if tried == MAX_TRIES:
                raise _given_up(reasons) from failure
            self._pause(random.uniform(0, min(MAX_PAUSE_S, PAUSE_S * 2**tried)))

    def _try(self, writes: Sequence[Write], new: set[Key]) -> ClientError | None:
        """None when all was written, else why nothing was. Raises: StoreUnavailableError."""
        operations = [operation(write, self._table, is_new=key_of(write) in new) for write in writes]
        try:
            with store_errors(STORE, passing=COLLISIONS | {"TransactionCanceledException"}):
                self._send(operations, alone=len(writes) == 1 and is_blind(writes[0]))
        except ClientError as error:
            return error
        return None

    def _send(self, operations: Sequence[Item], *, alone: bool) -> None:
        """Only a blind write goes without a transaction: of any other, a retry after a lost answer would count twice or
        find itself in its own way; a transaction's token makes the retry harmless.
        """
        if not alone:
            self._client.transact_write_items(TransactItems=list(operations))  # type: ignore[arg-type]
            return
        ((kind, arguments),) = operations[0].items()
        send: Callable[..., Any] = self._client.update_item if kind == "Update" else self._client.delete_item
        send(**arguments)

    def _items(self, arguments: Mapping[str, Any], start: Item | None, limit: int) -> list[Mapping[str, Any]]:
        """Pages of DynamoDB end at 1 MB, so that one query can take several."""
        items: list[Mapping[str, Any]] = []
        while len(items) < limit:
            page = self._page({**arguments, "Limit": limit - len(items)}, start)
            items += page["Items"]
            start = page.get("LastEvaluatedKey")
            if not start:
                break
        return items

    def _page(self, arguments: Mapping[str, Any], start: Item | None) -> Mapping[str, Any]:
        try:
            with store_errors(STORE, passing=frozenset({"ValidationException"})):
                return self._client.query(**{**arguments, **({"ExclusiveStartKey": start} if start else {})})
        except ClientError as error:
            if "starting key" in message_of(error).lower():
                raise foreign_cursor() from error
            raise unavailable(STORE, message_of(error)) from error


def _condition(partition: str, index: Index, prefix: str) -> dict[str, Any]:
    name = "" if index is Index.PRIMARY else f"{index.value}_"
    condition = "#partition = :partition" + (" AND begins_with(#sort, :prefix)" if prefix else "")
    names, values = {"#partition": f"{name}partition"}, {":partition": {"S": partition}}
    if prefix:
        names["#sort"], values[":prefix"] = f"{name}sort", {"S": prefix}
    where = {"ConsistentRead": True} if index is Index.PRIMARY else {"IndexName": index.value}
    expressions = {"ExpressionAttributeNames": names, "ExpressionAttributeValues": values}
    return {**where, "KeyConditionExpression": condition, **expressions}


def _reasons(failure: ClientError, writes: int) -> list[str]:
    """A code for each write: `None` (the word) for one that was not in the way."""
    reasons = failure.response.get("CancellationReasons")
    return [reason.get("Code", "None") for reason in reasons] if reasons else [code_of(failure)] * writes


def _mistaken(writes: Sequence[Write], reasons: Mapping[Key, str], new: Set[Key], failure: ClientError) -> set[Key]:
    """The Adds that took an item for there, or for missing (`new`), and are to try the other way.

    Raises: WriteConflictError when a version is not the expected one or a counter is too low; StoreUnavailableError
    for what no retry mends.
    """
    adds = {write.key for write in writes if isinstance(write, Add) and not _has_floor(write)}
    # DynamoDB looks at the condition first; MiniStack 1.5.0 at the path of the missing item's counters.
    pathless = {key for key in adds - new if reasons[key] == NO_SUCH_PATH}
    failed = {key for key, reason in reasons.items() if reason == FAILED_CONDITION}
    failed |= {write.key for write in writes if _has_floor(write) and reasons[write.key] == NO_SUCH_PATH}
    conflicts = [key for key in reasons if key in failed - adds]
    if conflicts:
        raise _conflict(conflicts) from failure
    others = {reasons[key] for key in reasons.keys() - pathless} - {"None", FAILED_CONDITION} - COLLISIONS - THROTTLED
    if others:
        raise unavailable(STORE, ", ".join(sorted(others))) from failure
    return failed | pathless


def _has_floor(write: Write) -> TypeGuard[Add]:
    return isinstance(write, Add) and write.least is not None


def _given_up(reasons: Mapping[Key, str]) -> StoreUnavailableError | WriteConflictError:
    if THROTTLED & {*reasons.values()}:
        return unavailable(STORE, "throttled")
    return _conflict([key for key, reason in reasons.items() if reason != "None"])


def _conflict(keys: Sequence[Key]) -> WriteConflictError:
    names = ", ".join(f"{key.partition}/{key.sort}" for key in keys)
    return WriteConflictError(f"Changed in the meantime: {names}. Read again and repeat.", keys=list(keys))
