"""Axes and marks of the cards' plots, as inline SVG: no library, no script, readable in light and dark pages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

BLUE, ORANGE, TEAL, GREY = "#2f6fde", "#d9730d", "#12907f", "#8a8f98"
SERIES = (BLUE, ORANGE, TEAL, "#b0419b", "#7a5fd0", "#b8860b", "#c0392b", GREY)
WIDTH, HEIGHT = 400, 280
LEFT, RIGHT, TOP, BOTTOM = 52, 14, 14, 44
MAX_TICKS = 7
STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
Point = tuple[float, float]
Span = tuple[float, float]


@dataclass(frozen=True)
class Axes:
    """Maps values to places in a picture of WIDTH x HEIGHT."""

    x_label: str
    y_label: str
    x_span: Span
    y_span: Span

    def x(self, value: float) -> float:
        return LEFT + (value - self.x_span[0]) / (self.x_span[1] - self.x_span[0]) * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        share = (value - self.y_span[0]) / (self.y_span[1] - self.y_span[0])
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)

    def line(self, points: Sequence[Point], color: str, dashed: bool = False) -> str:
        places = " ".join(f"{self.x(x):.1f},{self.y(y):.1f}" for x, y in points)
        dash = ' stroke-dasharray="5 4"' if dashed else ""
        return f'<polyline points="{places}" fill="none" stroke="{color}" stroke-width="2"{dash}/>'

    def dot(self, point: Point, color: str, title: str, radius: float = 3.5) -> str:
        place = f'cx="{self.x(point[0]):.1f}" cy="{self.y(point[1]):.1f}" r="{radius:.1f}"'
        return f'<circle {place} fill="{color}" fill-opacity=".8"><title>{escape(title)}</title></circle>'

    def whisker(self, x: float, low: float, high: float, color: str) -> str:
        place = f'x1="{self.x(x):.1f}" x2="{self.x(x):.1f}" y1="{self.y(low):.1f}" y2="{self.y(high):.1f}"'
        return f'<line {place} stroke="{color}" stroke-width="2"/>'

    def draw(self, title: str, marks: Iterable[str], legend: Sequence[tuple[str, str]] = ()) -> str:
        """The whole picture; `legend` has pairs of text and colour."""
        parts = [*self._grid(), *marks, *_legend(legend)]
        return picture(title, WIDTH, HEIGHT + 18 * -(-len(legend) // 2) + (6 if legend else 0), parts)

    def _grid(self) -> list[str]:
        bottom, middle = HEIGHT - BOTTOM, (HEIGHT - BOTTOM + TOP) / 2
        parts = []
        for value in ticks(self.y_span):
            parts.append(rule(LEFT, self.y(value), WIDTH - RIGHT, self.y(value)))
            parts.append(text(LEFT - 6, self.y(value) + 4, f"{value:g}", "end"))
        for value in ticks(self.x_span):
            parts.append(rule(self.x(value), bottom, self.x(value), bottom + 4))
            parts.append(text(self.x(value), bottom + 17, f"{value:g}"))
        parts.append(text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, self.x_label))
        parts.append(f'<g transform="rotate(-90 13 {middle})">{text(13, middle, self.y_label)}</g>')
        return parts


def picture(title: str, width: float, height: float, parts: Iterable[str]) -> str:
    frame = f'xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}"'
    style = 'font-family="system-ui,sans-serif" font-size="11" role="img"'
    return f"<svg {frame} {style}><title>{escape(title)}</title>{''.join(parts)}</svg>"


def text(x: float, y: float, content: str, anchor: str = "middle", color: str = "currentColor") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{color}">{escape(content)}</text>'


def rule(x1: float, y1: float, x2: float, y2: float) -> str:
    place = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line {place} stroke="currentColor" stroke-opacity=".18"/>'


def box(x: float, y: float, width: float, height: float, color: str, opacity: float = 1.0) -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" width="{max(0.0, width):.1f}" height="{height:.1f}"'
    return f'<rect {place} rx="2" fill="{color}" fill-opacity="{opacity:.3f}"/>'


def ticks(span: Span) -> list[float]:
    """Round values inside the span, seven at the most."""
    width = span[1] - span[0]
    power = 10.0 ** (len(f"{int(width)}") - 4)
    sizes = [step * power * 10**more for more in range(6) for step in STEPS]
    size = next(each for each in sizes if width / each <= MAX_TICKS - 1 + 1e-9)
    first = -int(-span[0] / size + 1e-9) if span[0] <= 0 else int(span[0] / size - 1e-9) + 1
    return [round(number * size, 10) for number in range(first, int(span[1] / size + 1e-9) + 1)]


def _legend(entries: Sequence[tuple[str, str]]) -> list[str]:
    parts = []
    for number, (name, color) in enumerate(entries):
        x, y = LEFT + 170 * (number % 2), HEIGHT + 18 * (number // 2) + 12
        parts += [box(x, y - 8, 10, 10, color), text(x + 16, y + 1, name, "start")]
    return parts
