"""A card as one HTML page that needs nothing else: plots inline, the contact sheet as a data address, no script."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from html import escape
from pathlib import Path

from training.card.document import Card, Plot, Section, Table, Tile

STYLE = (Path(__file__).parent / "page.css").read_text(encoding="utf-8")
NUMBER = re.compile(r"[-+]?[\d.,]+%?( to [-+]?[\d.,]+%?)?")


def page(card: Card, sheet_jpeg: bytes | None) -> str:
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(card.title)}</title>'
    head += f'<meta name="viewport" content="width=device-width,initial-scale=1"><style>{STYLE}</style>'
    parts = [
        head,
        f"<main><header><h1>{escape(card.title)}</h1><p>{_prose(card.summary)}</p></header>",
        f'<div class="tiles">{"".join(map(_tile, card.tiles))}</div>',
        f"<aside><h2>Before you believe it</h2><ul>{''.join(map(_item, card.cautions))}</ul></aside>",
        *(_section(section) for section in card.sections[:1]),
        _sheet(card.mistakes, sheet_jpeg),
        *(_section(section) for section in card.sections[1:]),
        "</main></html>\n",
    ]
    return "\n".join(part for part in parts if part)


def _prose(text: str) -> str:
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", escape(text))


def _item(text: str) -> str:
    return f"<li>{_prose(text)}</li>"


def _tile(tile: Tile) -> str:
    interval = f"<small>95%: {escape(tile.interval)}</small>" if tile.interval else ""
    return f"<div><span>{escape(tile.name)}</span><strong>{escape(tile.value)}</strong>{interval}</div>"


def _section(section: Section) -> str:
    paragraphs = "".join(f"<p>{_prose(paragraph)}</p>" for paragraph in section.paragraphs)
    plots = f'<div class="plots">{"".join(map(_plot, section.plots))}</div>' if section.plots else ""
    tables = "".join(map(_table, section.tables))
    return f'<section><h2>{escape(section.heading)}</h2>{paragraphs}{plots}<div class="tables">{tables}</div></section>'


def _plot(plot: Plot) -> str:
    return f"<figure>{plot.svg}<figcaption>{escape(plot.caption)}</figcaption></figure>"


def _table(table: Table) -> str:
    head = "".join(f"<th>{_prose(column)}</th>" for column in table.columns)
    body = "".join(f"<tr>{_cells(row)}</tr>" for row in table.rows)
    plain = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f"<details><summary>{escape(table.folded)}</summary>{plain}</details>" if table.folded else plain


def _cells(row: Iterable[str]) -> str:
    return "".join(f"<td{_number_class(cell)}>{_prose(cell)}</td>" for cell in row)


def _number_class(cell: str) -> str:
    return ' class="number"' if NUMBER.fullmatch(cell) else ""


def _sheet(told: str, jpeg: bytes | None) -> str:
    if jpeg is None:
        return ""
    source = f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"
    image = f'<img alt="Contact sheet of the worst mistakes" src="{source}">'
    return f"<section><h2>Worst mistakes</h2><p>{escape(told)}</p>{image}</section>"
