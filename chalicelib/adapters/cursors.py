"""Cursors mean the same in every store: the sort key of the page's last record, in an index also its own key."""

from __future__ import annotations

from chalicelib.domain.errors import InvalidQueryError
from chalicelib.domain.ports import Cursor, Index, IndexKey, Record


def place_in(record: Record, index: Index) -> IndexKey:
    """Where a record that was found through `index` stands in it."""
    place = record.index1 if index is Index.FIRST else record.index2
    assert place is not None, "a record found through an index has that index"
    return place


def cursor_of(record: Record, index: Index) -> Cursor:
    if index is Index.PRIMARY:
        return (record.key.sort,)
    return (place_in(record, index).sort, record.key.partition, record.key.sort)


def checked(after: Cursor | None, index: Index) -> Cursor | None:
    """Cursors come back from callers. Raises: InvalidQueryError when this one belongs to another list."""
    parts = 1 if index is Index.PRIMARY else 3
    if after is not None and (len(after) != parts or not all(after)):
        raise foreign_cursor()
    return after


def foreign_cursor() -> InvalidQueryError:
    return InvalidQueryError("This cursor is not one of this list's; take 'next' from the page before.")
