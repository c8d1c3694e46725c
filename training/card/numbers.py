"""Figures as people read them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Figure -> what a card calls it, most telling first.
NAMES: Mapping[str, str] = {
    "macro_recall": "Macro recall",
    "accuracy": "Accuracy",
    "accuracy_at_90_coverage": "Accuracy on the 90% it is surest of",
    "macro_f1": "Macro F1",
    "log_loss": "Log loss",
    "ece": "Calibration error (ECE)",
    "ece_before_temperature": "Calibration error before temperature",
    "within_one": "Within one",
    "rmse": "RMSE of the expected count",
    "mean_error": "Mean error of the expected count",
    "interval_80_coverage": "80% intervals that hold the truth",
    "interval_length": "Mean length of the intervals, counts",
    "map50": "mAP@0.5",
    "count_right": "Frames with the right counts",
    "sum_right": "Frames with the right sum",
    "composed_photos": "Composed frames",
    "composed_map50": "mAP@0.5, composed frames",
    "composed_count_right": "Composed frames with the right counts",
    "composed_sum_right": "Composed frames with the right sum",
}
HEADLINES: Mapping[str, tuple[str, ...]] = {
    "classify": ("macro_recall", "accuracy", "accuracy_at_90_coverage", "ece"),
    "count": ("accuracy", "within_one", "rmse", "interval_80_coverage"),
    "detect": ("map50", "count_right", "sum_right", "composed_sum_right"),
}
NO_SHARES = {
    "log_loss",
    "rmse",
    "mean_error",
    "interval_length",
    "ece",
    "ece_before_temperature",
    "map50",
    "composed_map50",
}


def shown(name: str, value: Any) -> str:
    if isinstance(value, int):
        return str(value)
    return f"{value:.3f}" if name in NO_SHARES else f"{value:.1%}"


def interval_shown(name: str, figures: Mapping[str, Any]) -> str:
    interval = figures.get("intervals_95", {}).get(name)
    return f"{shown(name, float(interval[0]))} to {shown(name, float(interval[1]))}" if interval else ""
