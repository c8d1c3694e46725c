"""Reliability diagram: of the answers with a confidence of so much, how many were right?"""

from collections.abc import Sequence

from training.plots.chart import BLUE, GREY, ORANGE, Axes

Bins = Sequence[Sequence[float]]
LEAST_JOINED = 5  # photos: a line through bins with fewer would show luck


def reliability_plot(before: Bins, after: Bins) -> str:
    """Rows of photos, mean confidence, accuracy; a dot grows with its photos, honest answers lie on the diagonal."""
    axes = Axes("confidence", "share that was right", (0, 1), (0, 1))
    most = max(row[0] for row in (*before, *after))
    marks = [axes.line([(0, 0), (1, 1)], GREY, dashed=True)]
    for bins, color in ((before, ORANGE), (after, BLUE)):
        marks.append(axes.line([(row[1], row[2]) for row in bins if row[0] >= LEAST_JOINED], color))
        marks += [axes.dot((row[1], row[2]), color, _said(row), 2 + 6 * (row[0] / most) ** 0.5) for row in bins]
    legend = [("before temperature", ORANGE), ("as answered", BLUE)]
    return axes.draw("Reliability before and after temperature", marks, legend)


def _said(row: Sequence[float]) -> str:
    return f"{row[0]:.0f} photos, mean confidence {row[1]:.2f}, {row[2]:.0%} right"
