"""Records as DynamoDB items. Bodies are JSON text, so that no Decimal is ever met; counters are a map of numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from chalicelib.domain.ports import Cursor, Index, IndexKey, Key, Record

Item = dict[str, Any]


def key_item(key: Key) -> Item:
    return {"partition": {"S": key.partition}, "sort": {"S": key.sort}}


def record_item(record: Record, version: int) -> Item:
    return {**key_item(record.key), "version": _number(version), **attributes(record)}


def attributes(record: Record) -> Item:
    """All but key and version; an attribute that the record does not have is left out."""
    item: Item = {"body": {"S": json.dumps(record.body)}, "counters": counters_item(record.counters)}
    for name, place in (("index1", record.index1), ("index2", record.index2)):
        if place is not None:
            item |= {f"{name}_partition": {"S": place.partition}, f"{name}_sort": {"S": place.sort}}
    if record.expires_at_s is not None:
        item["expires_at_s"] = _number(record.expires_at_s)
    return item


OPTIONAL_ATTRIBUTES = ("index1_partition", "index1_sort", "index2_partition", "index2_sort", "expires_at_s")


def counters_item(counters: Mapping[str, int]) -> Item:
    return {"M": {name: _number(amount) for name, amount in counters.items()}}


def record_from(item: Mapping[str, Any]) -> Record:
    return Record(
        key=Key(item["partition"]["S"], item["sort"]["S"]),
        body=json.loads(item["body"]["S"]),
        version=int(item["version"]["N"]),
        counters={name: int(value["N"]) for name, value in item["counters"]["M"].items()},
        index1=_place(item, "index1"),
        index2=_place(item, "index2"),
        expires_at_s=int(item["expires_at_s"]["N"]) if "expires_at_s" in item else None,
    )


def start_key(partition: str, index: Index, after: Cursor) -> Item:
    """The item a page begins after."""
    if index is Index.PRIMARY:
        return key_item(Key(partition, after[0]))
    place = {f"{index.value}_partition": {"S": partition}, f"{index.value}_sort": {"S": after[0]}}
    return {**key_item(Key(after[1], after[2])), **place}


def _place(item: Mapping[str, Any], name: str) -> IndexKey | None:
    if f"{name}_partition" not in item:
        return None
    return IndexKey(item[f"{name}_partition"]["S"], item[f"{name}_sort"]["S"])


def _number(value: int) -> Item:
    return {"N": str(value)}
