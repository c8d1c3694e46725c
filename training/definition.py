"""Job definitions (training/jobs/*.json): one file says what is trained, on what, for how long, and what is tuned.

Their form is job_schema.json; here they are read, and what a schema cannot see is checked: hyperparameters that the
training program does not know, an algorithm that cannot do the task, an objective that nothing prints.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.layout import TrainingError
from training.settings import TrainSettings

FOLDER = Path(__file__).parent / "jobs"
OURS = "binsight"
NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
TASKS_OF: Mapping[str, tuple[str, ...]] = {
    OURS: ("classify", "count", "detect"),
    "image-classification": ("classify", "count"),
    "object-detection": ("detect",),
}
SCHEMA = json.loads((Path(__file__).parent / "job_schema.json").read_text())
REQUIRED = frozenset(SCHEMA["required"])
OPTIONAL = frozenset({"pretrained", "channels", "metrics", "tuning"})
PLAIN: Mapping[str, type] = {"integer": int, "boolean": bool, "string": str}
GOALS = ("Minimize", "Maximize")


class DefinitionError(ValueError):
    """The definition cannot be used; the message names file and field."""


@dataclass(frozen=True)
class Range:
    """`kind`: continuous, integer or categorical. low and high belong to the range; a category has values only."""

    kind: str
    low: float = 0.0
    high: float = 0.0
    is_logarithmic: bool = False
    values: tuple[str, ...] = ()

    def holds(self, value: str | float) -> bool:
        return value in self.values if isinstance(value, str) else self.low <= value <= self.high


@dataclass(frozen=True)
class Tuning:
    objective: str
    is_minimized: bool
    max_jobs: int
    ranges: Mapping[str, Range]


@dataclass(frozen=True)
class Definition:
    """`document` is the whole file."""

    name: str
    task: str
    algorithm: str
    hyperparameters: Mapping[str, str]
    pretrained: Mapping[str, str]
    metrics: Mapping[str, str]
    tuning: Tuning | None
    document: Mapping[str, Any]

    @property
    def is_ours(self) -> bool:
        return self.algorithm == OURS

    def recipe(self, has_checkpoint: bool) -> dict[str, str]:
        """Hyperparameters; with a checkpoint to begin from they are others altogether."""
        return dict(self.pretrained if has_checkpoint and self.pretrained else self.hyperparameters)


def load(path: Path) -> Definition:
    """Raises: DefinitionError."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return _checked(_read(document))
    except OSError as error:
        raise DefinitionError(f"{path} cannot be read: {error.strerror}") from error
    except (KeyError, TypeError, AttributeError, ValueError, TrainingError, re.error) as error:
        raise DefinitionError(f"{path}: {error}") from error


def _read(document: Any) -> Definition:
    if not isinstance(document, dict):
        raise ValueError("it is no JSON object")
    missing, unknown = REQUIRED - set(document), set(document) - REQUIRED - OPTIONAL
    if missing or unknown:
        raise ValueError("; ".join([f"{name} is missing" for name in sorted(missing)] + _strange(sorted(unknown))))
    for name in set(document) - {"name"}:
        _check_plain(name, document[name], SCHEMA["properties"][name])
    return Definition(
        name=document["name"],
        task=document["task"],
        algorithm=document["algorithm"],
        hyperparameters=_texts(document, "hyperparameters"),
        pretrained=_texts(document, "pretrained"),
        metrics=_texts(document, "metrics"),
        tuning=_tuning(document["tuning"]) if "tuning" in document else None,
        document=document,
    )


def _check_plain(name: str, value: Any, told: Mapping[str, Any]) -> None:
    """What the schema says of a text, a number or a switch; of what is made of them, its readers do."""
    kind = PLAIN.get(told.get("type", ""))
    if "const" in told and value != told["const"]:
        raise ValueError(f"{name} is {told['const']}, not {value!r}")
    if kind is not None and type(value) is not kind:
        raise ValueError(f"{name} is {value!r}, which is no {told['type']}")
    if kind is int and not told["minimum"] <= value <= told["maximum"]:
        raise ValueError(f"{name} lies between {told['minimum']} and {told['maximum']}")
    if kind is str and not re.search(told.get("pattern", ""), value):
        raise ValueError(f"{name} is {value!r}, which does not fit {told['pattern']}")


def _strange(names: Sequence[str]) -> list[str]:
    return [f"{name} is not known" for name in names]


def _texts(document: Mapping[str, Any], field: str) -> dict[str, str]:
    values = document.get(field, {})
    if not isinstance(values, dict) or not all(isinstance(value, str) for value in values.values()):
        raise ValueError(f"{field} maps names to texts, as SageMaker takes them")
    return values


def _tuning(document: Any) -> Tuning:
    if not isinstance(document, dict) or document.get("goal") not in GOALS:
        raise ValueError(f"tuning.goal is one of {', '.join(GOALS)}")
    fields = SCHEMA["properties"]["tuning"]["properties"]
    for name in ("objective", "max_jobs", "max_parallel_jobs"):
        _check_plain(f"tuning.{name}", document.get(name), fields[name])
    if not isinstance(document.get("ranges"), dict) or not document["ranges"]:
        raise ValueError("tuning.ranges maps hyperparameters to ranges")
    ranges = {name: _range(name, each) for name, each in document["ranges"].items()}
    return Tuning(document["objective"], document["goal"] == GOALS[0], int(document["max_jobs"]), ranges)


def _range(name: str, document: Any) -> Range:
    if not isinstance(document, dict) or "type" not in document:
        raise ValueError(f"tuning.ranges.{name} is no range")
    if document["type"] == "categorical":
        values = document.get("values")
        if not isinstance(values, list) or not values or not all(isinstance(value, str) for value in values):
            raise ValueError(f"tuning.ranges.{name}.values is a list of texts")
        return Range("categorical", values=tuple(document["values"]))
    try:
        low, high = float(document["low"]), float(document["high"])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"tuning.ranges.{name} is no range") from error
    is_logarithmic = document.get("scale") == "logarithmic"
    if document["type"] not in ("continuous", "integer") or low > high or (is_logarithmic and low <= 0):
        raise ValueError(f"tuning.ranges.{name} is no range")
    return Range(document["type"], low, high, is_logarithmic)


def _checked(definition: Definition) -> Definition:
    if not NAME.fullmatch(definition.name):
        raise ValueError("name is small letters, digits and hyphens, 63 at the most")
    if definition.task not in TASKS_OF.get(definition.algorithm, ()):
        raise ValueError(f"algorithm {definition.algorithm} does not do task {definition.task}")
    for name, pattern in definition.metrics.items():
        if re.compile(pattern).groups != 1:
            raise ValueError(f"metrics.{name} has one group, which is the number")
    if definition.is_ours:
        _check_ours(definition)
    return definition


def _check_ours(definition: Definition) -> None:
    recipes = [definition.hyperparameters, definition.pretrained]
    for recipe in recipes:
        TrainSettings.from_hyperparameters({**recipe, "task": definition.task})
    if definition.tuning is None:
        return
    if definition.tuning.objective not in definition.metrics:
        raise ValueError(f"tuning.objective {definition.tuning.objective} is none of metrics")
    for name, each in definition.tuning.ranges.items():
        for value in edge_values(each):
            TrainSettings.from_hyperparameters({"task": definition.task, name: value})


def edge_values(range_: Range) -> tuple[str, ...]:
    """What the training program must be able to read: the ends of a range, or every value of a category."""
    if range_.kind == "categorical":
        return range_.values
    ends = (range_.low, range_.high)
    return tuple(str(int(end)) if range_.kind == "integer" else str(end) for end in ends)
