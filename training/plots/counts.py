"""What a counter expects on average of photos with so many objects."""

from collections.abc import Mapping, Sequence
from typing import Any

from training.plots.chart import BLUE, GREY, Axes


def count_plot(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows of count, photos, mean_expected and deviation; a right answer lies on the diagonal."""
    highest = max(1.0, *(float(row["count"]) for row in rows))
    axes = Axes("objects shown", "objects expected", (-0.5, highest + 0.5), (-0.5, highest + 0.5))
    marks = [axes.line([(0, 0), (highest, highest)], GREY, dashed=True)]
    for row in rows:
        x, y, reach = row["count"], row["mean_expected"], row["deviation"]
        marks.append(axes.whisker(x, max(-0.5, y - reach), min(highest + 0.5, y + reach), BLUE))
        marks.append(axes.dot((x, y), BLUE, f"{row['photos']} photos of {x}: {y:.2f} expected"))
    return axes.draw("Expected against shown objects", marks)
