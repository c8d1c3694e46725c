"""What the demo prints at its end."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Asked:
    """One held-out photo: `truth` is its label, the count, or the counts of a detection as text."""

    photo: Path
    truth: str
    answer: Mapping[str, Any]

    @property
    def said(self) -> str:
        return str(spoken(self.answer))

    @property
    def is_right(self) -> bool:
        return self.said == self.truth


def spoken(answer: Mapping[str, Any]) -> str:
    """The answer as one word: the label, the count, or what was detected (`2 one, 1 five`)."""
    if "detections" in answer:
        return counts_text(answer["counts"])
    return str(answer["label"])


def counts_text(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{number} {label}" for label, number in sorted(counts.items()) if number) or "nothing"


def macro_recall(asked: Sequence[Asked]) -> float:
    """The mean over the true labels of the share that was answered with that label, unknown or not."""
    by_truth: dict[str, list[bool]] = {}
    for one in asked:
        by_truth.setdefault(one.truth, []).append(one.is_right)
    return sum(sum(right) / len(right) for right in by_truth.values()) / len(by_truth)


def exact_share(asked: Sequence[Asked]) -> float:
    return sum(one.is_right for one in asked) / len(asked)


def median_ms(asked: Sequence[Asked]) -> float:
    times = sorted(one.answer["timings_ms"]["total"] for one in asked)
    return float(times[len(times) // 2])


def table(asked: Sequence[Asked]) -> str:
    """Photo, truth, label, confidence, model and milliseconds, a line each."""
    header = ("photo", "truth", "answer", "confidence", "unknown", "model", "ms")
    rows = [header, *(_row(one) for one in asked)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def _row(one: Asked) -> tuple[str, ...]:
    answer = one.answer
    confidence = answer.get("confidence")
    return (
        one.photo.name[:28],
        one.truth,
        one.said,
        "-" if confidence is None else f"{confidence:.2f}",
        ", ".join(answer["reasons"]) or "no",
        answer["model"]["id"],
        f"{answer['timings_ms']['total']:.1f}",
    )
