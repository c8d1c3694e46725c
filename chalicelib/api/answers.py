"""What routes answer with."""

from __future__ import annotations

import json
from typing import Any

from chalice.app import Response


def json_answer(body: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Strict JSON: NaN and Infinity are a fault of ours, never sent."""
    text = json.dumps(body, separators=(",", ":"), allow_nan=False)
    return Response(text, headers={"Content-Type": "application/json", **(headers or {})}, status_code=status)


def text_answer(text: str, content_type: str) -> Response:
    return Response(text, headers={"Content-Type": content_type, "Cache-Control": "no-cache"})


def empty_answer() -> Response:
    return Response("", status_code=204)
