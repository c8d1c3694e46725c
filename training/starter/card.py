"""The starter model's card, from its figures."""

from collections.abc import Mapping
from typing import Any

CARD = """# The starter model

Tells compost, landfill and recycling from a photo of one object on a plain board, before you have trained anything.
It was trained from scratch by this project's own code: no pretrained weights, no teacher.

## How good it is
Five folds over all {photos} photos; every photo is answered once by a network that has not seen it, nor a near
duplicate of it. Macro-averaged, because {largest_share:.0%} of the photos are {largest}.

| figure | value |
|---|---|
| macro recall, mean of five folds | **{macro_recall:.3f}** ({folds}) |
{recall_rows}
| accuracy | {accuracy:.3f} |
| accuracy on the 90% it is surest of | {accuracy_at_90_coverage:.3f} |
| calibration error (ECE), before and after temperature | {ece_before_temperature:.3f}, {ece:.3f} |

Rows are what the photo shows, columns what was answered:

{confusion}

The shipped weights are trained on {train_photos} of the photos, with the recipe the folds measure; the remaining
{validation_photos} set the distance from which on a photo is `unlike_training`. Temperature and thresholds are chosen
on the answers of the five folds.

## What it is not
The photos are of one object, from above, on a white board, under a few lights. Photos of another place look
different, and the model says so: `unknown` with `unlike_training`, or one of the light and sharpness reasons, is the
product working. Train on your own photos for your own place.

## How it was trained
{parameters:,} parameters in {convolutions} convolutions at {size}x{size} pixels, operators that DeepLens runs
(engines: {engines}). {bytes:,} bytes packed. The recipe is `training/starter/recipe.json`. To reproduce model
and figures, with the photos below in one folder per class:

    .venv/bin/python -m training.starter --data <folder>

Training set fingerprint `{fingerprint}`, seed {seed}.

## Photos
Exact duplicates were removed.

| photos | source | licence |
|---|---|---|
{sources}

No photo is in this repository; only weights computed from them.
"""


def write_card(metrics: Mapping[str, Any], manifest: Mapping[str, Any], artifact_bytes: int, parameters: int) -> str:
    figures, training = metrics["cross_validation"], manifest["training"]
    counts = {label: sum(row) for label, row in zip(metrics["labels"], figures["confusion"], strict=True)}
    largest = max(counts, key=lambda label: counts[label])
    hyperparameters = training["hyperparameters"]
    return CARD.format(
        **{name: value for name, value in figures.items() if isinstance(value, int | float) and name != "folds"},
        largest=largest,
        largest_share=counts[largest] / figures["photos"],
        folds=", ".join(f"{value:.3f}" for value in figures["macro_recall_by_fold"]),
        recall_rows="\n".join(f"| recall, {label} | {value:.3f} |" for label, value in figures["recall"].items()),
        confusion=_confusion(metrics["labels"], figures["confusion"]),
        train_photos=training["photos"]["train"],
        validation_photos=training["photos"]["validation"],
        parameters=parameters,
        convolutions=sum(int(depth) for depth in hyperparameters["depths"].split(",")),
        size=manifest["input"]["width"],
        engines=", ".join(manifest["engines"]),
        bytes=artifact_bytes,
        fingerprint=training["dataset_fingerprint"],
        seed=hyperparameters["seed"],
        sources="\n".join(f"| {s['photos']} | {s['name']} | {s['licence']} |" for s in training["sources"]),
    )


def _confusion(labels: list[str], rows: list[list[int]]) -> str:
    lines = ["| | " + " | ".join(labels) + " |", "|---" * (len(labels) + 1) + "|"]
    for label, row in zip(labels, rows, strict=True):
        lines.append(f"| {label} | " + " | ".join(str(count) for count in row) + " |")
    return "\n".join(lines)
