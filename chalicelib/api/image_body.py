"""The photo inside a request, whatever it is wrapped in."""

from __future__ import annotations

from chalicelib.api.call import Call


def image_of(call: Call) -> bytes:
    """Raises: PayloadTooLargeError, MalformedBodyError."""
    return call.body
