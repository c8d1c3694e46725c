"""Learning curve: how much better a model gets with more photos."""

from collections.abc import Mapping, Sequence
from typing import Any

from training.plots.chart import BLUE, Axes


def learning_plot(rows: Sequence[Mapping[str, Any]], figure: str) -> str:
    """Rows of photos, value and interval_95 (or None)."""
    edges = [edge for row in rows for edge in (row["interval_95"] or [row["value"]])]
    low, high = min(edges), max(edges)
    pad = max(0.02, (high - low) * 0.1)
    axes = Axes(
        "photos trained on", figure, (0, max(row["photos"] for row in rows) * 1.05), (max(0.0, low - pad), high + pad)
    )
    points = [(row["photos"], row["value"]) for row in rows]
    known = [(row["photos"], row["interval_95"]) for row in rows if row["interval_95"]]
    marks = [axes.whisker(photos, interval[0], interval[1], BLUE) for photos, interval in known]
    dots = [axes.dot(point, BLUE, f"{point[0]} photos: {point[1]:.3f}") for point in points]
    return axes.draw(f"Learning curve: {figure}", [axes.line(points, BLUE), *marks, *dots])
