"""What a model must have shown on its test split before it may be approved, per task."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from chalicelib.domain.inference import Task


@dataclass(frozen=True)
class Limit:
    """`metric` of the test split must lie at `bound` or above (`at_least`), or at it or below."""

    metric: str
    bound: float
    at_least: bool

    def allows(self, value: float) -> bool:
        return value >= self.bound if self.at_least else value <= self.bound

    @property
    def rule(self) -> str:
        return f"{'minimum' if self.at_least else 'maximum'}_{self.metric}"


@dataclass(frozen=True)
class Gate:
    """`max_recall_drop`: how far any label's recall may lie under the live model's."""

    limits: tuple[Limit, ...]
    min_test_images: int
    max_recall_drop: float


@dataclass(frozen=True)
class Finding:
    """One thing that a model misses; `found` is None where it was never measured."""

    rule: str
    required: float | None
    found: float | None
    detail: str

    def to_json(self) -> dict[str, Any]:
        return dict(vars(self))


GATES: Mapping[Task, Gate] = {
    Task.CLASSIFY: Gate((Limit("macro_recall", 0.75, at_least=True),), 50, 0.05),
    # Always answering 3 has an RMSE of 1.28 on bins of 0 to 5: a model has to know more than that.
    Task.COUNT: Gate((Limit("rmse", 1.2, at_least=False),), 100, 0.15),
    Task.DETECT: Gate((Limit("map50", 0.7, at_least=True),), 20, 0.1),
}


def findings(task: Task, manifest: Mapping[str, Any], live: Mapping[str, Any] | None) -> tuple[Finding, ...]:
    """What keeps a model below its task's gate; `live` is the manifest of the model it would replace.

    Source: `metrics.test` of the manifest, which evaluation writes.
    """
    gate, tested = GATES[task], test_metrics(manifest)
    found = [*_limits(gate, tested), *_images(gate, tested)]
    if live is not None:
        found += [*_labels(manifest, live), *_drops(gate, tested, test_metrics(live))]
    return tuple(found)


def test_metrics(manifest: Mapping[str, Any]) -> Mapping[str, Any]:
    metrics: Mapping[str, Any] = (manifest.get("metrics") or {}).get("test") or {}
    return metrics


def number(metrics: Mapping[str, Any], name: str) -> float | None:
    value = metrics.get(name)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def label_names(manifest: Mapping[str, Any]) -> list[str]:
    return [label["name"] for label in manifest.get("labels") or []]


def recalls(metrics: Mapping[str, Any]) -> dict[str, float]:
    found = metrics.get("recall")
    values = found if isinstance(found, Mapping) else {}
    return {label: value for label in values if (value := number(values, label)) is not None}


def _limits(gate: Gate, tested: Mapping[str, Any]) -> Iterator[Finding]:
    for limit in gate.limits:
        value = number(tested, limit.metric)
        if value is None:
            yield Finding(limit.rule, limit.bound, None, f"The manifest has no '{limit.metric}' of the test split.")
        elif not limit.allows(value):
            word = "at least" if limit.at_least else "at most"
            detail = f"{limit.metric} is {value:.3f}; {word} {limit.bound:g} is asked for."
            yield Finding(limit.rule, limit.bound, value, detail)


def _images(gate: Gate, tested: Mapping[str, Any]) -> Iterator[Finding]:
    photos = number(tested, "photos")
    if photos is None or photos < gate.min_test_images:
        shown = "an unknown number of" if photos is None else f"{photos:.0f}"
        detail = f"Tested on {shown} photos; {gate.min_test_images} are asked for."
        yield Finding("minimum_test_images", gate.min_test_images, photos, detail)


def _labels(manifest: Mapping[str, Any], live: Mapping[str, Any]) -> Iterator[Finding]:
    own, others = label_names(manifest), label_names(live)
    if set(own) != set(others):
        detail = f"The live model's labels are {', '.join(others)}; this one's are {', '.join(own)}."
        yield Finding("same_labels", None, None, detail)


def _drops(gate: Gate, tested: Mapping[str, Any], live: Mapping[str, Any]) -> Iterator[Finding]:
    before, after = recalls(live), recalls(tested)
    for label in before.keys() & after.keys():
        drop = before[label] - after[label]
        if drop > gate.max_recall_drop:
            detail = f"Recall of '{label}' falls from {before[label]:.3f} (live) to {after[label]:.3f}."
            yield Finding("maximum_recall_drop", gate.max_recall_drop, round(drop, 6), detail)
