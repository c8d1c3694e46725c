"""Writes of the port as operations of a DynamoDB transaction.

A blind Put and an Add are updates, so that the version counts up from whatever is there without a read. An Add needs
the item's map of counters; where there is no item yet, it is written as a new one.
"""

from __future__ import annotations

import json
from typing import Any

from chalicelib.adapters.aws.dynamodb_items import (
    OPTIONAL_ATTRIBUTES,
    Item,
    attributes,
    counters_item,
    key_item,
    record_item,
)
from chalicelib.domain.ports import Add, Check, Delete, Key, Put, Write

ABSENT = "attribute_not_exists(#partition)"
PRESENT = "attribute_exists(#partition)"
PARTITION = {"#partition": "partition"}


def operation(write: Write, table: str, *, is_new: bool) -> Item:
    """One entry of TransactItems. `is_new` matters to an Add only: it makes the item."""
    if isinstance(write, Put):
        return _put(write, table)
    if isinstance(write, Add):
        return {
            "Update": {"TableName": table, "Key": key_item(write.key), **(_first(write) if is_new else _more(write))}
        }
    if isinstance(write, Check):
        return {"ConditionCheck": _by_key(write.key, table, write.expected_version)}
    return {"Delete": _by_key(write.key, table, write.expected_version)}


def is_blind(write: Write) -> bool:
    """True when doing it twice leaves what doing it once leaves, but for the version."""
    return isinstance(write, Put | Delete) and write.expected_version is None


def _put(write: Put, table: str) -> Item:
    if write.expected_version is None:
        return {"Update": {"TableName": table, "Key": key_item(write.record.key), **_overwrite(write)}}
    item = record_item(write.record, write.expected_version + 1)
    return {"Put": {"TableName": table, "Item": item, **_at(write.expected_version)}}


def _overwrite(write: Put) -> Item:
    present = attributes(write.record)
    names = [*present, *(name for name in OPTIONAL_ATTRIBUTES if name not in present)]
    removed = [f"#{name}" for name in names[len(present) :]]
    sets = ", ".join(f"#{name} = :{name}" for name in present)
    return {
        "UpdateExpression": f"SET {sets} {'REMOVE ' + ', '.join(removed) if removed else ''} ADD #version :one",
        "ExpressionAttributeNames": {f"#{name}": name for name in (*names, "version")},
        "ExpressionAttributeValues": {**{f":{name}": value for name, value in present.items()}, ":one": {"N": "1"}},
    }


def _first(write: Add) -> Item:
    return {
        "UpdateExpression": "SET #counters = :counters, #body = :body ADD #version :one",
        "ConditionExpression": ABSENT,
        "ExpressionAttributeNames": {**PARTITION, "#counters": "counters", "#body": "body", "#version": "version"},
        "ExpressionAttributeValues": {
            ":counters": counters_item(write.counters),
            ":body": {"S": json.dumps({})},
            ":one": {"N": "1"},
        },
    }


def _more(write: Add) -> Item:
    counters = list(enumerate(write.counters.items()))
    sets = ", ".join(f"#counters.#n{n} = if_not_exists(#counters.#n{n}, :zero) + :a{n}" for n, _ in counters)
    names: dict[str, str] = {f"#n{n}": name for n, (name, _) in counters}
    values: dict[str, Any] = {f":a{n}": {"N": str(amount)} for n, (_, amount) in counters}
    values |= {":one": {"N": "1"}, **({":zero": {"N": "0"}} if counters else {})}
    floors = []
    if write.least is not None:
        floors = [f"#counters.#n{n} >= :f{n}" for n, _ in counters]
        values |= {f":f{n}": {"N": str(write.least - amount)} for n, (_, amount) in counters}
    return {
        "UpdateExpression": f"{'SET ' + sets if sets else ''} ADD #version :one",
        "ConditionExpression": " AND ".join([PRESENT, *floors]),
        "ExpressionAttributeNames": {
            **PARTITION,
            "#version": "version",
            **({"#counters": "counters"} if counters else {}),
            **names,
        },
        "ExpressionAttributeValues": values,
    }


def _by_key(key: Key, table: str, expected_version: int | None) -> Item:
    return {"TableName": table, "Key": key_item(key), **_at(expected_version)}


def _at(expected_version: int | None) -> Item:
    """The condition that the item is at this version; 0 means absent, None asks for nothing."""
    if expected_version is None:
        return {}
    if expected_version == 0:
        return {"ConditionExpression": ABSENT, "ExpressionAttributeNames": PARTITION}
    return {
        "ConditionExpression": "#version = :expected",
        "ExpressionAttributeNames": {"#version": "version"},
        "ExpressionAttributeValues": {":expected": {"N": str(expected_version)}},
    }
