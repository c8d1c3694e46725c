"""Coverage against accuracy: how right is the model about the photos it is surest of?"""

from collections.abc import Sequence

from training.plots.chart import BLUE, GREY, Axes

MARKED_COVERAGE = 0.9


def coverage_plot(curve: Sequence[Sequence[float]]) -> str:
    """Rows of coverage and accuracy."""
    points = [(row[0], row[1]) for row in curve]
    lowest = min(accuracy for _, accuracy in points)
    floor = min(0.95, int(lowest * 20) / 20)
    axes = Axes("share of photos answered, the surest first", "share of them right", (0, 1), (floor, 1))
    marks = [
        axes.line([(MARKED_COVERAGE, floor), (MARKED_COVERAGE, 1)], GREY, dashed=True),
        axes.line(points, BLUE),
        *(axes.dot((x, y), BLUE, f"{y:.1%} right at {x:.0%} coverage", 2.5) for x, y in points),
    ]
    return axes.draw("Accuracy at coverage", marks)
