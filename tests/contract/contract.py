"""openapi.yaml as the tests use it: operations, examples, and whether an answer is what it promises."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator

ROOT = Path(__file__).parents[2]
METHODS = ("get", "head", "post", "put", "patch", "delete", "options")
CONTRACT: dict[str, Any] = yaml.safe_load((ROOT / "openapi.yaml").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Operation:
    method: str
    path: str
    body: dict[str, Any]

    @property
    def is_public(self) -> bool:
        return self.body.get("security", CONTRACT["security"]) == []

    def answer_schema(self, status: int, content_type: str) -> dict[str, Any]:
        """The schema of this answer; it fails where the contract does not know the status or the type."""
        responses = self.body["responses"]
        assert str(status) in responses, f"{self.method} {self.path} answers {status}, which the contract does not know"
        content = resolved(responses[str(status)]).get("content", {})
        assert content_type in content, (
            f"{self.method} {self.path} {status} answers {content_type}, not {list(content)}"
        )
        return dict(content[content_type]["schema"])


def operations() -> Iterator[Operation]:
    for path, item in CONTRACT["paths"].items():
        yield from (Operation(method.upper(), path, item[method]) for method in METHODS if method in item)


def operation(method: str, path: str) -> Operation:
    return next(each for each in operations() if (each.method, each.path) == (method, path))


def resolved(node: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in node:
        return node
    found: Any = CONTRACT
    for part in node["$ref"].removeprefix("#/").split("/"):
        found = found[part]
    return dict(found)


def schema_of(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def faults(document: Any, schema: dict[str, Any], strict: bool = False) -> list[str]:
    """What does not fit; `strict` also finds members that the contract does not know."""
    closed = {"allOf": [schema], "unevaluatedProperties": False} if strict else schema
    validator = Draft202012Validator({**closed, "components": CONTRACT["components"]})
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(document)]


def examples(node: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any], Any]]:
    """Every example that stands beside a schema: where, the schema, the value."""
    if isinstance(node, dict):
        if "schema" in node and "examples" in node:
            yield from ((f"{path}/{name}", node["schema"], each["value"]) for name, each in node["examples"].items())
        for key, value in node.items():
            yield from examples(value, f"{path}/{key}")
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from examples(value, f"{path}/{index}")
