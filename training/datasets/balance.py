"""How many photos, or objects, each class has, and which of them have too few."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from training.datasets.channel import BOXED_MANIFEST_NAMES, read_channel

FEW = 60
RARE_SHARE = 0.35  # of what the largest class has
BAR_WIDTH = 20
MOST_LINES = 24


def channel_counts(folder: Path) -> dict[str, int]:
    """Photos of each label; of frames with boxes, the objects of each. Raises: DatasetError."""
    manifest = next((folder / name for name in BOXED_MANIFEST_NAMES if (folder / name).is_file()), None)
    if manifest is not None:
        boxed = _object_counts(manifest)
        if boxed:
            return boxed
    return dict(sorted(Counter(photo.label for photo in read_channel(folder)).items()))


def _object_counts(manifest: Path) -> dict[str, int]:
    counts: Counter[str] = Counter()
    with manifest.open(encoding="utf-8") as lines:
        for line in filter(str.strip, lines):
            counts.update(_objects(json.loads(line)))
    return dict(sorted(counts.items()))


def _objects(document: Mapping[str, Any]) -> Counter[str]:
    for attribute, value in document.items():
        if isinstance(value, dict) and "annotations" in value:
            names = document.get(f"{attribute}-metadata", {}).get("class-map", {})
            found = Counter(str(box["class_id"]) for box in value["annotations"])
            absent = dict.fromkeys(names.values(), 0)
            return Counter({**absent, **{names.get(index, index): count for index, count in found.items()}})
    return Counter()


def balance_lines(counts: Mapping[str, int]) -> list[str]:
    """A bar a class, and what to do about the rare ones."""
    largest = max(counts.values(), default=0)
    width = max((len(label) for label in counts), default=0)
    shown = list(counts.items())[:MOST_LINES]
    lines = ["to train on, by class:", *(_bar(label, count, width, largest) for label, count in shown)]
    if len(counts) > len(shown):
        lines.append(f"  ... and {len(counts) - len(shown)} classes more")
    return lines + hints(counts)


def _bar(label: str, count: int, width: int, largest: int) -> str:
    return f"  {label:<{width}} {count:>6} {'#' * round(BAR_WIDTH * count / max(1, largest))}".rstrip()


def hints(counts: Mapping[str, int]) -> list[str]:
    largest = max(counts.values(), default=0)
    few = [label for label, count in counts.items() if count < FEW]
    rare = [label for label, count in counts.items() if count < RARE_SHARE * largest and label not in few]
    lines = []
    if few:
        lines.append(f"  fewer than {FEW}: {_named(few)}. More photos of them help most; their figures may be luck.")
    if rare:
        lines.append(
            f"  rare beside the largest class: {_named(rare)}. More photos of them help more than of the others."
        )
    return lines


def _named(labels: list[str]) -> str:
    return ", ".join(labels[:8]) + (f" and {len(labels) - 8} more" if len(labels) > 8 else "")
