"""The parts of a card that say how good the model is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from training.card.document import Plot, Section, Table, Tile
from training.card.numbers import HEADLINES, NAMES, interval_shown, shown
from training.plots.confusion import confusion_plot
from training.plots.counts import count_plot
from training.plots.coverage import coverage_plot
from training.plots.precision_recall import precision_recall_plot
from training.plots.recall import recall_plot
from training.plots.reliability import reliability_plot

Figures = Mapping[str, Any]
MOST_PLOTTED_LABELS = 24
REASONS = {
    "low_confidence": "less sure than the threshold of its class",
    "ambiguous": "two answers too close to each other",
    "too_dark": "darker than the training photos",
    "overexposed": "brighter than the training photos",
    "blurred": "less sharp than the training photos",
    "unlike_training": "unlike anything in the training photos",
}


def tiles(figures: Figures) -> list[Tile]:
    names = [name for name in HEADLINES[figures["task"]] if name in figures]
    return [Tile(NAMES[name], shown(name, figures[name]), interval_shown(name, figures)) for name in names]


def figures_section(split: str, figures: Figures) -> Section:
    rows = [
        (title, shown(name, figures[name]), interval_shown(name, figures))
        for name, title in NAMES.items()
        if isinstance(figures.get(name), int | float)
    ]
    tables = [Table(("figure", "value", "95% interval"), rows), *_class_tables(figures)]
    unit = "frames" if figures["task"] == "detect" else "photos"
    paragraph = f"{figures['photos']} {unit}. 95% intervals by bootstrap over the {unit}"
    paragraph += "; that of a class by Wilson." if unit == "photos" else "."
    return Section(f"Measured on {split}", [paragraph, *_strangers(figures)], tables, list(_plots(figures)))


def _class_tables(figures: Figures) -> Iterator[Table]:
    rows = figures.get("per_class", [])
    if not rows:
        return
    if figures["task"] == "detect":
        found = [(row["label"], str(row["objects"]), f"{row['average_precision']:.3f}") for row in rows]
        yield Table(("class", "objects", "average precision"), found)
        return
    columns = ("class", "photos", "recall", "95% interval", "precision", "F1")
    yield Table(columns, [_class_row(row) for row in rows])
    labels = figures["labels"]
    counted = zip(labels, figures["confusion"], strict=True)
    yield Table(("shown \\ answered", *labels), [(label, *map(str, row)) for label, row in counted if sum(row)])


def _class_row(row: Mapping[str, Any]) -> tuple[str, ...]:
    low, high = row["recall_95"]
    shares = f"{row['recall']:.1%}", f"{low:.1%} to {high:.1%}", f"{row['precision']:.1%}", f"{row['f1']:.3f}"
    return (row["label"], str(row["photos"]), *shares)


def _plots(figures: Figures) -> Iterator[Plot]:
    if len(figures["labels"]) <= MOST_PLOTTED_LABELS and "confusion" in figures:
        yield Plot(confusion_plot(figures["labels"], figures["confusion"]), "The darker, the more of a row's photos.")
        yield Plot(recall_plot(figures["per_class"]), "Recall of each class with its 95% interval.")
    if "reliability" in figures:
        bins = figures["reliability"]
        yield Plot(reliability_plot(bins["before"], bins["after"]), "Honest confidence lies on the diagonal.")
        yield Plot(coverage_plot(figures["coverage_curve"]), "Accuracy if only the surest answers count.")
    if figures.get("by_count"):
        yield Plot(count_plot(figures["by_count"]), "What it expects of so many objects, and how that scatters.")
    if figures.get("precision_recall"):
        yield Plot(precision_recall_plot(figures["precision_recall"]), "Precision and recall of the boxes.")


def _strangers(figures: Figures) -> Iterator[str]:
    beyond, others = figures.get("beyond_range", {}), figures.get("other_labels", {})
    if beyond.get("photos"):
        yield (
            f"{beyond['photos']} photos show more objects than it was trained on; they are left out of the figures. "
            f"It says so of {beyond['flagged']} of them."
        )
    if others.get("photos"):
        yield (
            f"{others['photos']} photos have labels that it does not know; they are left out of the figures. "
            f"It answers `unknown` to {others['unknown']} of them."
        )


def decisions_section(figures: Figures, decision: Mapping[str, Any]) -> Section:
    """What the API and the camera answer, thresholds and checks included."""
    told = figures["decisions"]
    right = told.get("accuracy_when_answered")
    sentence = f"It answers {told['answered_share']:.1%} and says `unknown` to the rest."
    if right is not None:
        sentence += f" Where it answers, {right:.1%} of the answers are right."
    reasons = [(reason, REASONS.get(reason, ""), str(count)) for reason, count in told["reasons"].items()]
    tables = [Table(("class", "threshold"), [(name, f"{value:.3f}") for name, value in decision["thresholds"].items()])]
    if reasons:
        tables.insert(0, Table(("reason for `unknown`", "meaning", "photos"), reasons))
    settings = f"Ambiguous within {decision['ambiguous_margin']:g}."
    if figures["task"] != "detect":
        settings = f"Temperature {decision['temperature']:g}. {settings}"
    return Section("What it answers", [sentence, settings], tables)
