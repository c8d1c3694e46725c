"""The page that is made of openapi.yaml."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from scripts.api_docs import METHODS, PAGE, page
from tests.contract.contract import CONTRACT


def test_the_committed_page_is_that_of_the_contract() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(CONTRACT), "openapi.yaml has changed: run 'make api-docs'"


def test_every_route_and_every_schema_is_on_the_page() -> None:
    written = page(CONTRACT)
    for path, item in CONTRACT["paths"].items():
        for method in (name for name in METHODS if name in item):
            assert f'<span class="method">{method.upper()}</span> {path}</h3>' in written
    assert {name for name in CONTRACT["components"]["schemas"] if f'id="schema-{name}"' not in written} == set()


def test_every_link_leads_somewhere() -> None:
    written = page(CONTRACT)
    targets = set(re.findall(r'id="([^"]+)"', written))
    assert {link for link in re.findall(r'href="#([^"]+)"', written) if link not in targets} == set()


def test_what_the_contract_says_is_text_on_the_page_and_never_markup() -> None:
    told = "<script>alert(1)</script>"
    contract = {**CONTRACT, "info": {**CONTRACT["info"], "title": told, "summary": told, "description": told}}
    found: list[str] = []

    class Tags(HTMLParser):
        def handle_starttag(self, tag: str, attrs: object) -> None:
            found.append(tag)

    Tags().feed(page(contract))
    assert "script" not in found
    assert "section" in found
