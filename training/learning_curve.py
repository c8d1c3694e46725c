"""`python -m training.learning_curve --data photos/ --out build/curve`: have I enough photos?

Trains on growing parts of the training photos with the job's own program, and measures each on the same photos held
out. Writes learning-curve.json, .md and .svg; each part's model and card lie in a folder of their own beside them.
"""

import argparse
import json
import math
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from device.runtime.artifact import ArtifactError
from device.runtime.manifest import ManifestError
from training.datasets.photo_set import DatasetError
from training.datasets.subset import write_subset
from training.extrapolation import WIDTH_OF_95, Needed, photos_needed
from training.job import REPOSITORY, JobError, JobRequest, job_hyperparameters, package_job, run_training
from training.package import PackagingError
from training.plots.learning import learning_plot
from training.prepare import write_hyperparameters
from training.tasks import TASKS, PreparedData

SHARES = (0.125, 0.25, 0.5, 1.0)
FIGURES = {"classify": "macro_recall", "count": "accuracy", "detect": "map50"}
SMALL_GAIN = 0.01
Measure = Callable[[JobRequest, Path, PreparedData], Mapping[str, Any]]


@dataclass(frozen=True)
class CurvePoint:
    """`photos` trained on; `interval_95` None where the figure has none; `log_loss` None where there are no classes."""

    share: float
    photos: int
    value: float
    interval_95: list[float] | None
    log_loss: float | None = None


def train_and_measure(request: JobRequest, layout: Path, data: PreparedData) -> Mapping[str, Any]:
    """The figures on the test channel. Raises: JobError, PackagingError."""
    write_hyperparameters(layout, job_hyperparameters(request), request.pretrained)
    run_training(request, layout)
    figures: Mapping[str, Any] = package_job(request, layout, data).metrics["test"]
    return figures


def learning_curve(
    request: JobRequest, shares: Sequence[float] = SHARES, measure: Measure = train_and_measure
) -> list[CurvePoint]:
    """Raises: what a job raises. `request.work` is emptied first."""
    shutil.rmtree(request.work, ignore_errors=True)
    whole = request.work / "whole"
    data = TASKS[request.task].prepare(request.data, request.work / "rendered", whole, request.seed)
    print("\n".join(data.report), flush=True)
    points = []
    for share in sorted(shares):
        part = replace(request, work=request.work / f"share-{share:g}", out=request.out / f"share-{share:g}")
        points.append(_point(part, whole, data, share, measure))
        print(f"{points[-1].photos} photos: {FIGURES[request.task]} {points[-1].value:.3f}", flush=True)
    return points


def _point(request: JobRequest, whole: Path, data: PreparedData, share: float, measure: Measure) -> CurvePoint:
    layout = request.work / "ml"
    photos = write_subset(whole, layout / "input" / "data", share, request.seed)
    figures = measure(request, layout, replace(data, photos={**data.photos, "train": photos}))
    name = FIGURES[request.task]
    return CurvePoint(share, photos, figures[name], figures["intervals_95"].get(name), figures.get("log_loss"))


def verdict(points: Sequence[CurvePoint]) -> str:
    """What the last steps of the curve say about more photos of the same kind."""
    if len(points) < 2:
        return "One point is no curve: give more shares."
    before, last = points[-2:]
    doublings = math.log2(last.photos / before.photos)
    gain = (last.value - before.value) / doublings if doublings else 0.0
    noise = (last.interval_95[1] - last.interval_95[0]) / 2 if last.interval_95 else 0.0
    said = (
        f"The last doubling of the photos changed it by {gain:+.3f}; the figure itself is known to about {noise:.3f}."
    )
    if gain <= SMALL_GAIN:
        return f"{said} More photos of the same kind would help little: other photos, or another model, may."
    if gain <= noise:
        return f"{said} More photos may help; to be sure, hold out more of them."
    return f"{said} More photos are likely to help: the curve still rises."


def outlook(points: Sequence[CurvePoint], aim: float) -> tuple[Needed | None, str]:
    """How many photos of the same kind `aim` would take, and that in words."""
    measured = [point for point in points if point.interval_95]
    deviations = [
        (point.interval_95[1] - point.interval_95[0]) / WIDTH_OF_95 for point in measured if point.interval_95
    ]
    photos, values = [point.photos for point in measured], [point.value for point in measured]
    needed = photos_needed(photos, values, deviations, aim)
    return needed, needed.text(aim) if needed else f"Going on like this it does not reach {aim:g}."


def write_curve(points: Sequence[CurvePoint], figure: str, out: Path, aim: float | None = None) -> str:
    """Answers the verdict in words."""
    out.mkdir(parents=True, exist_ok=True)
    rows = [asdict(point) for point in points]
    told = verdict(points)
    document: dict[str, Any] = {"figure": figure, "points": rows}
    if aim is not None:
        needed, text = outlook(points, aim)
        told = f"{told} {text}"
        document["aim"] = {"value": aim, "needed": asdict(needed) if needed else None}
    document["verdict"] = told
    (out / "learning-curve.json").write_text(json.dumps(document, indent=2) + "\n")
    (out / "learning-curve.svg").write_text(learning_plot(rows, figure.replace("_", " ")) + "\n")
    (out / "learning-curve.md").write_text(table(points, figure) + f"\n{told}\n")
    return told


def table(points: Sequence[CurvePoint], figure: str) -> str:
    lines = [f"| photos trained on | {figure.replace('_', ' ')} | 95% interval | log loss |", "|---|---|---|---|"]
    for point in points:
        interval = " to ".join(f"{edge:.3f}" for edge in point.interval_95 or [])
        loss = "" if point.log_loss is None else f"{point.log_loss:.3f}"
        lines.append(f"| {point.photos} | {point.value:.3f} | {interval} | {loss} |")
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    request = JobRequest(
        work=options.work or options.out / "work",
        out=options.out,
        training_python=options.training_python,
        data=options.data,
        pretrained=options.pretrained,
        task=options.task,
        seed=options.seed,
        hyperparameters=dict(text.split("=", 1) for text in options.set if "=" in text),
    )
    try:
        points = learning_curve(request, options.shares)
    except (JobError, DatasetError, PackagingError, ArtifactError, ManifestError, OSError) as error:
        print(f"no curve: {error}", file=sys.stderr)
        return 1
    told = write_curve(points, FIGURES[options.task], options.out, options.aim)
    print(f"\n{table(points, FIGURES[options.task])}\n{told}\n{options.out / 'learning-curve.svg'}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training.learning_curve", description=__doc__)
    parser.add_argument("--data", type=Path, help="labelled photos as for a job; default: rendered")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--work", type=Path, help="default: <out>/work")
    parser.add_argument("--task", choices=sorted(TASKS), default="classify")
    parser.add_argument("--pretrained", type=Path, help="prefix of an MXNet checkpoint")
    parser.add_argument("--training-python", type=Path, default=REPOSITORY / ".venv-train/bin/python")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--shares", type=_shares, default=SHARES, help="of the training photos: 0.125,0.25,0.5,1")
    parser.add_argument("--aim", type=float, help="a value of the figure: how many photos would it take?")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a hyperparameter")
    return parser


def _shares(text: str) -> tuple[float, ...]:
    shares = tuple(float(part) for part in text.split(","))
    if not all(0 < share <= 1 for share in shares):
        raise argparse.ArgumentTypeError("shares lie above 0 and up to 1")
    return shares


if __name__ == "__main__":
    sys.exit(main())
