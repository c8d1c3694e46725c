"""The page, the contract and the state of health: no key needed."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from chalice.app import Response

from chalicelib.api.answers import json_answer, text_answer
from chalicelib.api.blueprint import Api
from chalicelib.api.call import Call

api = Api(__name__)
STATIC = Path(__file__).parent.parent / "static"
CHECKOUT = Path(__file__).parent.parent.parent


@api.endpoint("GET", "/", None)
def page(call: Call) -> Response:
    return text_answer(_static("index.html"), "text/html; charset=utf-8")


@api.endpoint("GET", "/openapi.yaml", None)
def contract(call: Call) -> Response:
    return text_answer(_static("openapi.yaml"), "application/yaml; charset=utf-8")


@api.endpoint("GET", "/docs", None)
def documentation(call: Call) -> Response:
    return text_answer(_static("docs.html"), "text/html; charset=utf-8")


@api.endpoint("GET", "/health", None)
def health(call: Call) -> Response:
    healthy = call.services.is_healthy()
    return json_answer({"status": "ok" if healthy else "store unavailable"}, status=200 if healthy else 503)


@cache
def _static(name: str) -> str:
    """From the package where `make package` copied it, from the checkout otherwise."""
    packaged = STATIC / name
    return (packaged if packaged.exists() else CHECKOUT / name).read_text(encoding="utf-8")
