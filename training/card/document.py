"""A card as data: what Markdown and HTML both say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

Cells = Sequence[str]


@dataclass(frozen=True)
class Tile:
    """A headline figure; `interval` '' where there is none."""

    name: str
    value: str
    interval: str


@dataclass(frozen=True)
class Table:
    """`folded`: its name, where it is long and seldom read."""

    columns: Cells
    rows: Sequence[Cells]
    folded: str = ""


@dataclass(frozen=True)
class Plot:
    """`svg`: a whole <svg> element of our own, its texts escaped."""

    svg: str
    caption: str


@dataclass(frozen=True)
class Section:
    heading: str
    paragraphs: Sequence[str] = ()
    tables: Sequence[Table] = ()
    plots: Sequence[Plot] = ()


@dataclass(frozen=True)
class Card:
    """`cautions`: what to know before believing the figures. `mistakes`: how to read the contact sheet."""

    title: str
    summary: str
    tiles: Sequence[Tile]
    cautions: Sequence[str]
    mistakes: str
    sections: Sequence[Section] = field(default_factory=tuple)
