"""Two models side by side: per label, how their recall differs and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from chalicelib.domain.gate import label_names, number, recalls, test_metrics

Z_95 = 1.959964


def compare(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Differences are second minus first, from two manifests; an interval is None where the counts are not known."""
    before, after = test_metrics(first), test_metrics(second)
    shared = sorted(label for label in before.keys() & after.keys() if label not in ("photos", "seed"))
    names = [name for name in shared if number(before, name) is not None and number(after, name) is not None]
    return {
        "same_labels": set(label_names(first)) == set(label_names(second)),
        "same_test_split": _fingerprint(first) is not None and _fingerprint(first) == _fingerprint(second),
        "metrics": {name: _difference(float(before[name]), float(after[name])) for name in names},
        "labels": _labels(before, after),
    }


def newcombe_interval(first: float, first_count: int, second: float, second_count: int) -> tuple[float, float]:
    """95% for the difference of two independent proportions, second minus first.

    Source: Newcombe (1998), method 10, from Wilson's score intervals.
    """
    first_low, first_high = wilson_interval(first, first_count)
    second_low, second_high = wilson_interval(second, second_count)
    difference = second - first
    low = difference - math.hypot(second - second_low, first_high - first)
    high = difference + math.hypot(second_high - second, first - first_low)
    return max(-1.0, low), min(1.0, high)


def wilson_interval(share: float, count: int) -> tuple[float, float]:
    """95% for a proportion seen in `count` trials (1 or more)."""
    spread = Z_95**2 / count
    centre = (share + spread / 2) / (1 + spread)
    half = Z_95 / (1 + spread) * math.sqrt(share * (1 - share) / count + spread / (4 * count))
    return max(0.0, centre - half), min(1.0, centre + half)


def label_counts(metrics: Mapping[str, Any]) -> dict[str, int]:
    """Test photos per label: said outright (`support`), or the rows of a confusion matrix by label."""
    support = metrics.get("support")
    if isinstance(support, Mapping):
        return {label: int(count) for label, count in support.items()}
    confusion = metrics.get("confusion")
    if isinstance(confusion, Mapping):
        return {label: sum(row.values()) for label, row in confusion.items() if isinstance(row, Mapping)}
    return {}


def _labels(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[dict[str, Any]]:
    first, second = recalls(before), recalls(after)
    first_counts, second_counts = label_counts(before), label_counts(after)
    rows = []
    for label in sorted(first.keys() | second.keys()):
        row: dict[str, Any] = {"label": label, "first": first.get(label), "second": second.get(label)}
        row |= {"difference": None, "interval_95": None, "differs": None}
        if label in first and label in second:
            row["difference"] = round(second[label] - first[label], 6)
            counts = first_counts.get(label, 0), second_counts.get(label, 0)
            if all(counts):
                low, high = newcombe_interval(first[label], counts[0], second[label], counts[1])
                row |= {"interval_95": [round(low, 6), round(high, 6)], "differs": low > 0 or high < 0}
        rows.append(row)
    return rows


def _difference(first: float, second: float) -> dict[str, float]:
    return {"first": first, "second": second, "difference": round(second - first, 6)}


def _fingerprint(manifest: Mapping[str, Any]) -> Any:
    return (manifest.get("training") or {}).get("dataset_fingerprint")
