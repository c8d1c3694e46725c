"""A card as Markdown: everything but the plots."""

from __future__ import annotations

from collections.abc import Iterator

from training.card.document import Card, Cells, Section, Table, Tile


def markdown(card: Card) -> str:
    lines = [f"# {_prose(card.title)}", "", _prose(card.summary), ""]
    lines += [_tile(tile) for tile in card.tiles]
    lines += ["", "## Before you believe it", "", *(f"- {_prose(caution)}" for caution in card.cautions), ""]
    for section in card.sections:
        lines += _section(section)
    return "\n".join(lines).rstrip() + "\n"


def _tile(tile: Tile) -> str:
    interval = f" ({tile.interval})" if tile.interval else ""
    return f"- {tile.name}: **{tile.value}**{interval}"


def _section(section: Section) -> Iterator[str]:
    yield from (f"## {_prose(section.heading)}", "")
    for paragraph in section.paragraphs:
        yield from (_prose(paragraph), "")
    for table in section.tables:
        yield from (*_table(table), "")


def _table(table: Table) -> Iterator[str]:
    yield _row(table.columns)
    yield _row(["---"] * len(table.columns))
    yield from map(_row, table.rows)


def _row(cells: Cells) -> str:
    return "| " + " | ".join(_escaped(cell) for cell in cells) + " |"


def _escaped(cell: str) -> str:
    return _prose(cell.replace("\\", "\\\\").replace("|", "\\|"))


def _prose(text: str) -> str:
    """Markdown is also HTML: labels and names must not become tags or lines of their own."""
    return text.replace("\n", " ").replace("<", "&lt;")
