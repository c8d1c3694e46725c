"""Precision against recall of a detector, a curve a class."""

from collections.abc import Mapping, Sequence

from training.plots.chart import SERIES, Axes


def precision_recall_plot(curves: Mapping[str, Sequence[Sequence[float]]]) -> str:
    """Per label rows of recall and precision, surest detections first."""
    axes = Axes("share of the objects found", "share of the boxes right", (0, 1), (0, 1.02))
    colors = [SERIES[number % len(SERIES)] for number in range(len(curves))]
    lines = [
        axes.line([(row[0], row[1]) for row in curve], color)
        for curve, color in zip(curves.values(), colors, strict=True)
        if curve
    ]
    return axes.draw("Precision and recall at an overlap of 0.5", lines, list(zip(curves, colors, strict=True)))
