"""openapi.yaml against the app, the error table and the schemas that the routes read."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from openapi_spec_validator import validate
from pydantic import BaseModel

from chalicelib.api import schemas
from chalicelib.api.blueprint import Endpoint
from chalicelib.api.problems import PROBLEMS, TYPE_PREFIX
from chalicelib.api.routes import BLUEPRINTS, create_app
from chalicelib.domain import errors
from tests.contract.contract import CONTRACT, examples, faults, operation, operations, schema_of

ENDPOINTS: list[Endpoint] = [endpoint for blueprint in BLUEPRINTS for endpoint in blueprint.endpoints]
EXAMPLES = list(examples(CONTRACT))
BODIES = [each for _, each in inspect.getmembers(schemas, inspect.isclass) if issubclass(each, schemas.Body)]


def test_the_contract_is_openapi_3_1() -> None:
    validate(CONTRACT)
    assert CONTRACT["openapi"].startswith("3.1")


def test_every_route_stands_in_the_contract_and_nothing_else() -> None:
    app = create_app(lambda: pytest.fail("no route was called"))
    served = {(method, path) for path, methods in app.routes.items() for method in methods}
    served |= {("OPTIONS", path) for path in app.routes}
    assert {(each.method, each.path) for each in operations()} == served


def test_the_contract_says_what_scope_each_route_needs() -> None:
    promised = {(each.method, each.path): each.body.get("x-scope") for each in operations()}
    for endpoint in ENDPOINTS:
        key = (endpoint.methods[0], endpoint.path)
        assert promised[key] == (endpoint.scope.value if endpoint.scope else None), key
        assert operation(*key).is_public == (endpoint.scope is None), key


def test_every_problem_stands_in_the_contract() -> None:
    listed = CONTRACT["components"]["schemas"]["Problem"]["properties"]["type"]["enum"]
    assert sorted(listed) == sorted({TYPE_PREFIX + kind.slug for kind in PROBLEMS.values()})


def leaves(root: type) -> set[type]:
    below = root.__subclasses__()
    return {root} if not below else set().union(*map(leaves, below))


def test_every_concrete_error_has_its_row_in_the_table() -> None:
    concrete = {error for error in leaves(errors.BinsightError) if error.__module__.startswith("chalicelib.")}
    assert len(concrete) > 20
    assert concrete - PROBLEMS.keys() == set()


def test_no_two_errors_share_a_problem() -> None:
    slugs = [kind.slug for kind in PROBLEMS.values()]
    assert len(slugs) == len(set(slugs))


@pytest.mark.parametrize(("place", "schema", "value"), EXAMPLES, ids=[place for place, _, _ in EXAMPLES])
def test_every_example_fits_its_schema(place: str, schema: dict[str, Any], value: Any) -> None:
    assert faults(value, schema, strict=True) == []


@pytest.mark.parametrize("name", CONTRACT["components"]["schemas"])
def test_no_schema_takes_everything(name: str) -> None:
    """A mistyped keyword makes a schema that accepts all there is."""
    assert all(faults(stranger, schema_of(name)) for stranger in (None, [1]))


@pytest.mark.parametrize("body", BODIES, ids=lambda body: body.__name__)
def test_the_bodies_that_routes_read_are_those_of_the_contract(body: type[BaseModel]) -> None:
    if body is schemas.Body:
        return
    read = body.model_json_schema()
    promised = CONTRACT["components"]["schemas"][body.__name__]
    assert promised["properties"].keys() == read["properties"].keys()
    assert sorted(promised.get("required", [])) == sorted(read.get("required", []))
    assert promised["additionalProperties"] is False


def test_every_operation_that_takes_a_key_documents_that_it_may_be_missing() -> None:
    for each in operations():
        if each.method in ("HEAD", "OPTIONS") or each.is_public:
            continue
        assert {"401", "403", "429", "503"} <= each.body["responses"].keys(), (each.method, each.path)
