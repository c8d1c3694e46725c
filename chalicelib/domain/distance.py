"""How far two answers to the same photo lie apart, 0 (the same) to 1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chalicelib.domain.inference import Task

MIN_OVERLAP = 0.5
MOST_DETECTIONS = 20
DIGITS = 6
_SIDES = ("xmin", "ymin", "xmax", "ymax")


def distance(task: Task, one: Mapping[str, Any], other: Mapping[str, Any]) -> float:
    """1 where an answer is not one of this task's."""
    try:
        if task is Task.DETECT:
            return _boxes_apart(one["detections"], other["detections"])
        return _total_variation(one["probabilities"], other["probabilities"])
    except (KeyError, TypeError, ValueError, AttributeError):
        return 1.0


def essence(task: Task, answer: Mapping[str, Any]) -> dict[str, Any]:
    """What of a decided answer is kept and compared."""
    if task is Task.DETECT:
        surest = sorted(answer["detections"], key=lambda found: -found["confidence"])[:MOST_DETECTIONS]
        return {"detections": [{name: found[name] for name in ("label", "confidence", "box")} for found in surest]}
    return {"probabilities": {label: round(value, DIGITS) for label, value in answer["probabilities"].items()}}


def _total_variation(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    labels = one.keys() | other.keys()
    return _share(sum(abs(float(one.get(label, 0.0)) - float(other.get(label, 0.0))) for label in labels) / 2)


def _boxes_apart(one: Sequence[Mapping[str, Any]], other: Sequence[Mapping[str, Any]]) -> float:
    """Boxes of one label that overlap by half are one object, whose scores and places differ; others count whole."""
    left = list(other)
    apart = 0.0
    for found in sorted(one, key=lambda each: -float(each["confidence"]))[: 5 * MOST_DETECTIONS]:
        match = max(left, key=lambda each: _overlap_as(found, each), default=None)
        if match is None or _overlap_as(found, match) < MIN_OVERLAP:
            apart += float(found["confidence"])
            continue
        left.remove(match)
        scores = float(found["confidence"]), float(match["confidence"])
        apart += abs(scores[0] - scores[1]) + (1 - _overlap_as(found, match)) * min(scores)
    apart += sum(float(each["confidence"]) for each in left)
    total = sum(float(each["confidence"]) for each in (*one, *other))
    return _share(apart / max(1.0, total))


def _overlap_as(one: Mapping[str, Any], other: Mapping[str, Any]) -> float:
    """Intersection over union; 0 for boxes of two labels."""
    if one["label"] != other["label"]:
        return 0.0
    first, second = ([float(each["box"][side]) for side in _SIDES] for each in (one, other))
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    shared = max(0.0, width) * max(0.0, height)
    union = _area(first) + _area(second) - shared
    return shared / union if union > 0 else 0.0


def _area(sides: Sequence[float]) -> float:
    return (sides[2] - sides[0]) * (sides[3] - sides[1])


def _share(value: float) -> float:
    """What is not a number is as far away as can be."""
    return min(1.0, value) if value >= 0 else 1.0
