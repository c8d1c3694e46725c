"""Per class how many of its photos were answered right, with the 95% interval."""

from collections.abc import Mapping, Sequence
from typing import Any

from training.plots.chart import BLUE, box, picture, rule, text

LABEL_WIDTH, BAR_WIDTH, NUMBER_WIDTH, ROW_HEIGHT = 110, 230, 120, 26


def recall_plot(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows of label, photos, recall and recall_95."""
    parts: list[str] = []
    for number, row in enumerate(rows):
        parts += _bar(row, number * ROW_HEIGHT + 4)
    width = LABEL_WIDTH + BAR_WIDTH + NUMBER_WIDTH
    return picture("Recall of each class", width, len(rows) * ROW_HEIGHT + 8, parts)


def _bar(row: Mapping[str, Any], top: float) -> list[str]:
    low, high = (LABEL_WIDTH + BAR_WIDTH * edge for edge in row["recall_95"])
    middle = top + ROW_HEIGHT / 2 - 2
    number = f"{row['recall']:.1%} of {row['photos']}"
    return [
        text(LABEL_WIDTH - 8, middle + 4, str(row["label"])[:16], "end"),
        box(LABEL_WIDTH, top + 2, BAR_WIDTH, ROW_HEIGHT - 8, "currentColor", 0.06),
        box(LABEL_WIDTH, top + 2, BAR_WIDTH * row["recall"], ROW_HEIGHT - 8, BLUE, 0.75),
        *(rule(edge, top + 2, edge, top + ROW_HEIGHT - 6).replace(".18", ".8") for edge in (low, high)),
        rule(low, middle, high, middle).replace(".18", ".8"),
        text(LABEL_WIDTH + BAR_WIDTH + 8, middle + 4, number, "start"),
    ]
