"""A model card from the manifest alone, for a model that came without one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from chalicelib.domain.gate import label_names

Rows = list[tuple[str, str]]
Section = tuple[str, tuple[str, str], Rows]


def markdown_card(title: str, manifest: Mapping[str, Any]) -> str:
    lines = [f"# {title}", ""]
    for heading, columns, rows in _sections(manifest):
        lines += [f"## {heading}", "", _row(columns), _row(tuple("---" for _ in columns)), *map(_row, rows), ""]
    return "\n".join(lines)


def html_card(title: str, manifest: Mapping[str, Any]) -> str:
    parts = [f'<!doctype html><meta charset="utf-8"><title>{escape(title)}</title><h1>{escape(title)}</h1>']
    for heading, columns, rows in _sections(manifest):
        head = "".join(f"<th>{escape(column)}</th>" for column in columns)
        body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
        parts.append(f"<h2>{escape(heading)}</h2><table><tr>{head}</tr>{body}</table>")
    return "\n".join(parts)


def _row(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def _sections(manifest: Mapping[str, Any]) -> Iterator[Section]:
    yield "What it is", ("member", "value"), _identity(manifest)
    for split, metrics in (manifest.get("metrics") or {}).items():
        figures = _numbers(metrics)
        if figures:
            yield f"Measured on the {split} split", ("metric", "value"), figures
        recall = metrics.get("recall")
        if isinstance(recall, Mapping) and recall:
            yield f"Recall on the {split} split", ("label", "recall"), _numbers(recall)
    training = manifest.get("training") or {}
    facts = [(str(name), str(value)) for name, value in training.items() if isinstance(value, str | int | float)]
    facts += [(f"photos: {name}", str(count)) for name, count in (training.get("photos") or {}).items()]
    if facts:
        yield "How it was trained", ("member", "value"), facts
    sources = [(str(each.get("name")), str(each.get("licence"))) for each in training.get("sources") or []]
    if sources:
        yield "Sources of the photos", ("source", "licence"), sources


def _identity(manifest: Mapping[str, Any]) -> Rows:
    spec = manifest["input"]
    return [
        ("task", str(manifest["task"])),
        ("labels", ", ".join(label_names(manifest))),
        ("input", f"{spec['width']} x {spec['height']}, {spec['fit']}"),
        ("engines", ", ".join(manifest["engines"])),
    ]


def _numbers(values: Mapping[str, Any]) -> Rows:
    return [
        (name, f"{value:.4g}" if isinstance(value, float) else str(value))
        for name, value in values.items()
        if isinstance(value, int | float)
    ]
