"""The orders in which models are listed: every filter is one partition, read newest first (docs/decisions/0006)."""

from __future__ import annotations

from dataclasses import dataclass

from chalicelib.domain.inference import Task
from chalicelib.domain.model import Model, ModelState
from chalicelib.domain.ports import Index, IndexKey, Key, Put, Record
from chalicelib.domain.records import MODELS, by_time, model_body, model_key, model_record


@dataclass(frozen=True)
class ModelFilter:
    """A name has one task, so that a name is the same order with its task as without."""

    task: Task | None = None
    name: str | None = None
    state: ModelState | None = None

    @property
    def index(self) -> Index:
        is_first = self.state is None if self.name is not None else self.task is None
        return Index.FIRST if is_first else Index.SECOND

    @property
    def partition(self) -> str:
        parts = [MODELS]
        if self.name is not None:
            parts.append(f"NAME#{self.name}")
        elif self.task is not None:
            parts.append(f"TASK#{self.task.value}")
        if self.state is not None:
            parts.append(f"STATE#{self.state.value}")
        return "#".join(parts)


def model_writes(model: Model) -> tuple[Put, ...]:
    """The model at `record_version` + 1 and its place in every list."""
    main = Put(model_record(model), expected_version=model.record_version)
    return (main, *(Put(record, expected_version=None) for record in listing_records(model)))


def listing_records(model: Model) -> tuple[Record, ...]:
    """A summary in three places, so that two indexes hold the six orders that a filter can ask for."""
    body = {**model_body(model), "manifest": {}}
    position = by_time(model.created_at_s, model.id)
    partition = model_key(model.id).partition
    task, name, state = model.task, model.name, model.state
    places = (
        ("LIST#ALL", ModelFilter(), ModelFilter(task=task)),
        ("LIST#NAME", ModelFilter(name=name), ModelFilter(name=name, state=state)),
        ("LIST#STATE", ModelFilter(state=state), ModelFilter(task=task, state=state)),
    )
    return tuple(
        Record(
            Key(partition, sort),
            body,
            index1=IndexKey(first.partition, position),
            index2=IndexKey(second.partition, position),
        )
        for sort, first, second in places
    )
