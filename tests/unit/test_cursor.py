"""Cursors: opaque to callers, and refused when they are not ours."""

from __future__ import annotations

import base64
import json

import pytest

from chalicelib.api.call import decode_cursor, encode_cursor
from chalicelib.domain.errors import InvalidQueryError


def encoded(document: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).decode().rstrip("=")


@pytest.mark.parametrize("cursor", [("a",), ("000001#x", "MODEL#waste-1", "MODEL"), ("ü#?&/+ ",), ("",)])
def test_a_cursor_comes_back_as_it_went(cursor: tuple[str, ...]) -> None:
    text = encode_cursor(cursor)
    assert text is not None
    assert decode_cursor(text) == cursor


def test_a_cursor_fits_into_a_url_as_it_is() -> None:
    text = encode_cursor(("?/+&=#ü",))
    assert text is not None
    assert text.replace("-", "").replace("_", "").isalnum()


def test_the_last_page_has_none() -> None:
    assert encode_cursor(None) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "????",
        "ü",
        "a" * 5,
        encoded([]),
        encoded({}),
        encoded("a"),
        encoded([1]),
        encoded([None]),
        encoded(["a", 1]),
    ],
)
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(InvalidQueryError):
        decode_cursor(text)
