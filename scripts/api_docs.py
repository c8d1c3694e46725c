"""Writes chalicelib/static/docs.html, the contract as a page for people: `make api-docs`.

One file, no script, nothing from elsewhere; a test compares it with openapi.yaml.
"""

import json
from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path
from typing import Any

import yaml
from markdown_it import MarkdownIt

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "chalicelib" / "static" / "docs.html"
METHODS = ("get", "post", "put", "patch", "delete")
KEYS = {"inference": "an inference key", "admin": "an admin key", "device": "the camera's own key"}
STYLE = """
:root { --ground: #f4f5f1; --card: #fff; --ink: #1d231f; --quiet: #59635c; --line: #d9ddd6; --accent: #1f6f4a; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #141816; --card: #1d2320; --ink: #eef2ee; --quiet: #a6b0a9; --line: #333b37; --accent: #6fd3a2; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif; }
main { max-width: 56rem; margin: 0 auto; padding: 1.5rem 1rem 3rem; }
h2 { margin: 2.5rem 0 0; }
a { color: var(--accent); }
nav { columns: 2 20rem; font-size: .95rem; }
nav a { display: block; text-decoration: none; overflow-wrap: anywhere; }
details, section { background: var(--card); border: 1px solid var(--line); border-radius: .6rem; }
details, section { margin-top: .8rem; padding: .7rem 1rem; }
details details { border-width: 1px 0 0; border-radius: 0; padding: .4rem 0; margin-top: .4rem; }
summary { cursor: pointer; }
h3 { font-size: 1.05rem; margin: 0; overflow-wrap: anywhere; }
.method { color: var(--accent); font-weight: 700; }
.quiet { color: var(--quiet); }
code, pre { font-family: ui-monospace, monospace; font-size: .9em; }
pre { overflow-x: auto; border: 1px solid var(--line); border-radius: .4rem; padding: .6rem; margin: .4rem 0; }
table { border-collapse: collapse; width: 100%; font-size: .95rem; }
td { border-top: 1px solid var(--line); padding: .25rem .6rem .25rem 0; vertical-align: top; overflow-wrap: anywhere; }
"""
Document = Mapping[str, Any]


def page(contract: Document) -> str:
    """The whole page, of openapi.yaml as it was read."""
    tags = list(contract["tags"])
    parts = "\n".join(_tag(contract, tag) for tag in tags)
    schemas = "\n".join(_schema(name, schema) for name, schema in sorted(contract["components"]["schemas"].items()))
    links = "".join(f'<a href="#{_anchor(m, p)}">{m.upper()} {escape(p)}</a>' for m, p, _ in _operations(contract))
    info = contract["info"]
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<link rel="icon" href="data:,">
<title>{escape(info["title"])}: the API</title>
<style>{STYLE}</style>
</head>
<body>
<main>
<h1>{escape(info["title"])}: the API</h1>
<p class="quiet">{escape(info["summary"])} Made of <a href="openapi.yaml">openapi.yaml</a>, which programs read.</p>
{_prose(info["description"])}
<nav>{links}</nav>
{parts}
<h2 id="schemas">What goes in and out</h2>
{schemas}
</main>
</body>
</html>
"""


def _operations(contract: Document) -> Iterator[tuple[str, str, Document]]:
    for path, item in contract["paths"].items():
        yield from ((method, path, item[method]) for method in METHODS if method in item)


def _tag(contract: Document, tag: Document) -> str:
    found = [each for each in _operations(contract) if tag["name"] in each[2]["tags"]]
    operations = "\n".join(_operation(contract, *each) for each in found)
    return f"<h2>{escape(tag['name'])}</h2>\n{_prose(tag['description'])}\n{operations}"


def _operation(contract: Document, method: str, path: str, operation: Document) -> str:
    key = KEYS.get(operation.get("x-scope", ""), "a key of any scope")
    needs = "no key" if operation.get("security") == [] else key
    parts = [
        f'<h3><span class="method">{method.upper()}</span> {escape(path)}</h3>',
        f'<p>{escape(operation["summary"])} <span class="quiet">Needs {needs}.</span></p>',
        _prose(operation.get("description", "")),
        _parameters(contract, operation.get("parameters", [])),
        _body(contract, operation.get("requestBody")),
        *(_response(contract, status, each) for status, each in operation["responses"].items()),
    ]
    return f'<section id="{_anchor(method, path)}">\n' + "\n".join(part for part in parts if part) + "\n</section>"


def _parameters(contract: Document, parameters: list[Document]) -> str:
    if not parameters:
        return ""
    rows = []
    for each in (_resolved(contract, parameter) for parameter in parameters):
        told = _type(each.get("schema", {})) + (", needed" if each.get("required") else "")
        rows.append((f"<code>{escape(each['name'])}</code> in {each['in']}", told, _line(each.get("description", ""))))
    return _table(rows)


def _body(contract: Document, body: Document | None) -> str:
    if body is None:
        return ""
    found = _resolved(contract, body)
    return f"<p><b>Body</b> {_line(found.get('description', ''))}</p>" + _content(found.get("content", {}))


def _response(contract: Document, status: str, response: Document) -> str:
    found = _resolved(contract, response)
    title = f"<summary><b>{escape(str(status))}</b> {_line(found['description'])}</summary>"
    return f"<details>{title}{_content(found.get('content', {}))}</details>"


def _content(content: Document) -> str:
    return "".join(f"<p><code>{escape(kind)}</code> {_type(media.get('schema', {}))}</p>{_examples(media)}"
                   for kind, media in content.items())  # fmt: skip


def _examples(media: Document) -> str:
    named = media.get("examples") or ({"": {"value": media["example"]}} if "example" in media else {})
    return "".join(
        f'<p class="quiet">{escape(example.get("summary", name))}</p><pre>{_json(example["value"])}</pre>'
        for name, example in named.items()
        if "value" in example
    )


def _schema(name: str, schema: Document) -> str:
    needed = set(schema.get("required", ()))
    rows = [
        (f"<code>{escape(key)}</code>", _type(each) + (", always" if key in needed else ""),
         _line(each.get("description", "")))
        for key, each in schema.get("properties", {}).items()
    ]  # fmt: skip
    told = _prose(schema.get("description", "")) + (_table(rows) if rows else f"<p>{_type(schema)}</p>")
    return f'<details id="schema-{escape(name)}"><summary><b>{escape(name)}</b></summary>{told}</details>'


def _type(schema: Document) -> str:
    """In a few words, with a link where it has a name."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f'<a href="#schema-{escape(name)}">{escape(name)}</a>'
    for word in ("anyOf", "oneOf", "allOf"):
        if word in schema:
            return (" and " if word == "allOf" else " or ").join(_type(each) for each in schema[word])
    if "enum" in schema or "const" in schema:
        return ", ".join(
            f"<code>{escape(json.dumps(each))}</code>" for each in schema.get("enum", [schema.get("const")])
        )
    kind = schema.get("type", "anything")
    if kind == "array":
        return f"list of {_type(schema.get('items', {}))}"
    return " or ".join(kind) if isinstance(kind, list) else str(kind)


def _table(rows: list[tuple[str, str, str]]) -> str:
    return (
        "<table>" + "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows) + "</table>"
    )


def _resolved(contract: Document, found: Document) -> Document:
    node: Any = found
    while "$ref" in node:
        target: Any = contract
        for step in node["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        node = target
    return dict(node)


def _anchor(method: str, path: str) -> str:
    return f"{method}{path.replace('/', '-').replace('{', '').replace('}', '')}"


def _json(value: Any) -> str:
    return escape(value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False))


def _prose(text: str) -> str:
    return str(MarkdownIt("commonmark", {"html": False}).render(text)).strip()


def _line(text: str) -> str:
    return str(MarkdownIt("commonmark", {"html": False}).renderInline(text))


def main() -> None:
    PAGE.write_text(page(yaml.safe_load((ROOT / "openapi.yaml").read_text(encoding="utf-8"))), encoding="utf-8")


if __name__ == "__main__":
    main()
