"""A Chalice Blueprint whose views are functions of a Call: authentication and errors stand here, once.

Chalice's middleware does not see what a view raises (aws/chalice#1541, #2056), so the view itself is wrapped.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast

from chalice.app import Blueprint, Chalice, Response

from chalicelib.domain.access import Scope

if TYPE_CHECKING:
    from chalicelib.api.call import Call

View = Callable[..., Response]


@dataclass(frozen=True)
class Once:
    """A route that heeds the Idempotency-Key. `again` answers for what the first try changed, from its subject; None:
    the view itself does, because all that it makes has an id derived from the key.

    `keeps_answer` False: the answer holds a secret and is stored nowhere; every replay is made anew.
    """

    again: Callable[[Call, str], Response] | None
    keeps_answer: bool = True


@dataclass(frozen=True)
class Endpoint:
    path: str
    methods: tuple[str, ...]
    scope: Scope | None
    view: View
    once: Once | None = None


class TakesEndpoints(Protocol):
    def add_endpoint(self, endpoint: Endpoint) -> None:
        """Serve it from now on."""


class Api(Blueprint):
    """The routes of one noun; it can be registered on any number of apps."""

    def __init__(self, import_name: str) -> None:
        super().__init__(import_name)
        self.endpoints: list[Endpoint] = []

    def endpoint(self, method: str, path: str, scope: Scope | None, once: Once | None = None) -> Callable[[View], View]:
        """`scope` None: the route needs no key. A GET answers HEAD as well."""
        methods = ("GET", "HEAD") if method == "GET" else (method,)

        def keep(view: View) -> View:
            self.endpoints.append(Endpoint(path, methods, scope, view, once))
            return view

        return keep

    def register(self, app: Chalice, options: dict[str, Any]) -> None:
        for endpoint in self.endpoints:
            cast(TakesEndpoints, app).add_endpoint(endpoint)
