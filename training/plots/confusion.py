"""Confusion matrix: what photos show, against what was answered."""

from collections.abc import Sequence

from training.plots.chart import BLUE, box, picture, text

LABEL_WIDTH, HEAD_HEIGHT, ROW_HEIGHT = 110, 40, 30
MIN_CELL, MAX_CELL, WANTED_WIDTH, MAX_LABEL_CHARACTERS = 26.0, 84.0, 336, 16
DARK_SHARE = 0.55


def confusion_plot(labels: Sequence[str], confusion: Sequence[Sequence[int]]) -> str:
    """Rows: what the photos show. The darker, the larger the share of its row."""
    cell = max(MIN_CELL, min(MAX_CELL, WANTED_WIDTH / len(labels)))
    parts = [
        text(LABEL_WIDTH - 8, HEAD_HEIGHT - 8, "shown \u2193", "end"),
        text(LABEL_WIDTH, 12, "answered \u2192", "start"),
    ]
    for column, label in enumerate(labels):
        parts.append(text(LABEL_WIDTH + (column + 0.5) * cell, HEAD_HEIGHT - 8, _short(label, int(cell / 7))))
    for number, (label, row) in enumerate(zip(labels, confusion, strict=True)):
        top = HEAD_HEIGHT + number * ROW_HEIGHT
        parts.append(text(LABEL_WIDTH - 8, top + ROW_HEIGHT / 2 + 4, _short(label, MAX_LABEL_CHARACTERS), "end"))
        parts += _cells(row, top, cell)
    height = HEAD_HEIGHT + len(labels) * ROW_HEIGHT + 4
    return picture("Confusion matrix", LABEL_WIDTH + cell * len(labels) + 4, height, parts)


def _cells(row: Sequence[int], top: float, cell: float) -> list[str]:
    parts = []
    for column, count in enumerate(row):
        share, left = count / max(1, sum(row)), LABEL_WIDTH + column * cell
        color = "#fff" if share > DARK_SHARE else "currentColor"
        parts.append(box(left + 1, top + 1, cell - 2, ROW_HEIGHT - 2, BLUE, 0.06 + 0.9 * share))
        parts.append(text(left + cell / 2, top + ROW_HEIGHT / 2 + 4, str(count), "middle", color))
    return parts


def _short(label: str, characters: int) -> str:
    return label if len(label) <= characters else label[: max(1, characters - 1)] + "\u2026"
