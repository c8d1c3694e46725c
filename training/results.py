"""The figures of docs/results.md: the three systems trained on the real data with the committed definitions.

    python -m training.results --data ../shared/data --out build/results [--only waste bins]

Leaves <out>/<name>/model.tar.gz, metrics.json and card, <out>/results.json with command, seed, recipe and figures of
each, and <out>/results.md, a table of them with 95% intervals beside what was aimed at. What was done before is kept,
so that one of them can be run again alone.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from device.runtime.artifact import ArtifactError
from device.runtime.manifest import ManifestError
from training.datasets.built_in import write_whole
from training.datasets.photo_set import DatasetError
from training.definition import FOLDER, DefinitionError, load
from training.detection.hold_out import hold_out
from training.evaluate import evaluate_archive
from training.five_folds import five_fold_figures
from training.golden import POOLS
from training.job import JobError, JobRequest, code_revision, run_job
from training.package import PackagingError
from training.prepare import checkpoint_files

DEFAULT_DATA = "../shared/data"
BACKBONES = Path("backbones")
SEED = 0


@dataclass(frozen=True)
class Aim:
    """`least` and `most` are what the figure should be within."""

    figure: str
    title: str
    least: float = float("-inf")
    most: float = float("inf")

    def text(self) -> str:
        if self.least > float("-inf") and self.most < float("inf"):
            return f"{self.least:g} to {self.most:g}"
        return f"{self.least:g} or more" if self.least > float("-inf") else f"{self.most:g} or less"

    def is_met(self, value: float) -> bool:
        return self.least <= value <= self.most


@dataclass(frozen=True)
class Run:
    """`unseen`: a sequence of frames that training never sees, and on which the figures are taken.

    `folds`: five trainings instead of one, each photo held out once; figures only, no model.
    """

    name: str
    job: str
    data: str
    source: Mapping[str, str]
    aims: tuple[Aim, ...]
    backbone: str = "mobilenet_v1"
    unseen: str = ""
    folds: bool = False


WASTE = {"name": "TrashNet, and compost photos of rootstrap's waste classifier", "licence": "MIT"}
BANKNOTES = {"name": "DeepLens banknote frames", "licence": "none stated; measuring only"}
RUNS = (
    Run(
        "waste",
        "waste",
        "trash",
        WASTE,
        (
            Aim("macro_recall", "macro recall", least=0.93),
            Aim("accuracy_at_90_coverage", "accuracy at 90% coverage", least=0.985),
            Aim("ece", "ECE after calibration", most=0.03),
        ),
    ),
    Run(
        "waste-five-folds",
        "waste",
        "trash",
        WASTE,
        (
            Aim("macro_recall", "macro recall, mean of five folds", least=0.93),
            Aim("accuracy_at_90_coverage", "accuracy at 90% coverage, five folds", least=0.985),
            Aim("ece", "ECE after calibration, five folds", most=0.03),
        ),
        folds=True,
    ),
    Run(
        "bins",
        "bins",
        "bins",
        {"name": "Amazon Bin Image Dataset", "licence": "CC BY-NC-SA 3.0 US; measuring only"},
        (
            Aim("accuracy", "accuracy", least=0.45),
            Aim("rmse", "RMSE of the expected value", most=1.0),
            Aim("interval_80_coverage", "80% intervals hold", least=0.78, most=0.84),
            Aim("within_one", "within one", least=0.82),
        ),
        backbone="mobilenet_v2",
    ),
    Run(
        "banknotes",
        "banknotes",
        "banknotes",
        BANKNOTES,
        (
            Aim("map50", "mAP@0.5", least=0.85),
            Aim("sum_right", "right sum", least=0.8),
            Aim("composed_sum_right", "right sum, composed frames of 2-5 notes", least=0.0),
        ),
        backbone="mobilenet_v1_0.25_128",
    ),
    Run(
        "banknotes-unseen-side",
        "banknotes",
        "banknotes",
        BANKNOTES,
        (
            Aim("map50", "mAP@0.5, a side never seen", least=0.0),
            Aim("sum_right", "right sum, a side never seen", least=0.0),
        ),
        backbone="mobilenet_v1_0.25_128",
        unseen="2000_back",
    ),
)


class ResultsError(RuntimeError):
    """The figures cannot be taken; the message says what is missing."""


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    wanted = [run for run in RUNS if not options.only or run.name in options.only]
    try:
        check(wanted, options.data)
        options.out.mkdir(parents=True, exist_ok=True)
        for run in wanted:
            keep(options.out, run.name, measure(run, options))
    except (
        ResultsError,
        DefinitionError,
        DatasetError,
        JobError,
        PackagingError,
        ArtifactError,
        ManifestError,
        OSError,
    ) as error:
        print(f"no results: {error}", file=sys.stderr)
        return 1
    print((options.out / "results.md").read_text())
    return 0


def parser() -> argparse.ArgumentParser:
    known = argparse.ArgumentParser(prog="python -m training.results", description=__doc__.partition("\n")[0])
    data = os.environ.get("BINSIGHT_DATA") or DEFAULT_DATA
    known.add_argument("--data", type=Path, default=Path(data), help=f"the folder of the real data; default: {data}")
    known.add_argument("--out", type=Path, default=Path("build/results"))
    known.add_argument("--only", nargs="*", choices=[run.name for run in RUNS], default=[])
    known.add_argument("--training-python", type=Path, default=Path(".venv-train/bin/python"))
    return known


def check(runs: Sequence[Run], data: Path) -> None:
    """Before an hour of training. Raises: ResultsError, DefinitionError, CheckpointMissingError."""
    for run in runs:
        load(FOLDER / f"{run.job}.json")
        if not (data / run.data).is_dir():
            raise ResultsError(f"there is no {data / run.data}: say where the real data is with DATA")
        checkpoint_files(data / BACKBONES / run.backbone)


def measure(run: Run, options: argparse.Namespace) -> dict[str, Any]:
    definition = load(FOLDER / f"{run.job}.json")
    out, begun_s = options.out / run.name, time.monotonic()
    print(f"== {run.name}", flush=True)
    data, held_out = options.data / run.data, None
    if run.unseen:
        hold_out(data, run.unseen, out / "sides")
        data, held_out = out / "sides" / "rest", out / "sides" / "held-out"
    recipe = definition.recipe(has_checkpoint=True)
    request = JobRequest(
        work=out / "work",
        out=out,
        training_python=options.training_python,
        data=data,
        pretrained=options.data / BACKBONES / run.backbone,
        task=definition.task,
        name=definition.name,
        seed=SEED,
        hyperparameters=recipe,
        sources=[run.source, backbone_source(run.backbone)],
        pools=POOLS,
    )
    measured = _five_folds(request) if run.folds else _trained(request, held_out)
    return {
        "command": f"make results DATA=<data> ONLY={run.name}",
        "job": f"training/jobs/{run.job}.json",
        "backbone": run.backbone,
        "code_revision": code_revision(),
        "seed": SEED,
        "hyperparameters": recipe,
        "all_s": round(time.monotonic() - begun_s),
        **measured,
    }


def backbone_source(name: str) -> dict[str, str]:
    return {"name": f"{name}, ImageNet (TensorFlow Lite)", "licence": "Apache-2.0"}


def _trained(request: JobRequest, held_out: Path | None) -> dict[str, Any]:
    result = run_job(request)
    training = json.loads((request.work / "ml" / "model" / "training.json").read_text())
    return {
        "digest": result.digest,
        "training_s": training["seconds"],
        "processor_s": training["processor_s"],
        "photos": training["photos"],
        "figures": evaluate_archive(result.artifact, held_out) if held_out else result.metrics["test"],
    }


def _five_folds(request: JobRequest) -> dict[str, Any]:
    figures = five_fold_figures(request)
    return {"training_s": figures.pop("training_s"), "processor_s": figures.pop("processor_s"), "figures": figures}


def keep(out: Path, name: str, measured: Mapping[str, Any]) -> None:
    """One after the other, so that what was measured is there even when the next one is killed."""
    path = out / "results.json"
    document = json.loads(path.read_text()) if path.exists() else {}
    document[name] = measured
    write_whole(path, [json.dumps(document, indent=2), "\n"])
    write_whole(out / "results.md", [table(document)])


def table(document: Mapping[str, Any]) -> str:
    lines = ["| model | figure | aim | measured | 95% interval | photos | training | processor |", "|---" * 8 + "|"]
    for run in RUNS:
        if run.name in document:
            lines += [
                _row(run, aim, document[run.name]) for aim in run.aims if aim.figure in document[run.name]["figures"]
            ]
    return "\n".join(lines) + "\n"


def _row(run: Run, aim: Aim, measured: Mapping[str, Any]) -> str:
    figures = measured["figures"]
    value = figures[aim.figure]
    low, high = interval_of(figures, aim.figure)
    goal = aim.text() + ("" if aim.is_met(value) else ", missed") if aim.least != 0 else "-"
    within = f"{low:.3f} to {high:.3f}" if high >= low else "-"
    photos = figures["composed_photos" if aim.figure.startswith("composed_") else "photos"]
    return (
        f"| {run.name} | {aim.title} | {goal} | {value:.3f} | {within} | {photos} "
        f"| {_minutes(measured, 'training_s')} | {_minutes(measured, 'processor_s')} |"
    )


def _minutes(measured: Mapping[str, Any], name: str) -> str:
    """A result kept from before processor time was taken has none."""
    return f"{measured[name] / 60:.1f} min" if name in measured else "-"


def interval_of(figures: Mapping[str, Any], name: str) -> tuple[float, float]:
    """The bootstrap's edges; (0, -1) where none was taken."""
    for group in ("intervals_95", "count_intervals_95"):
        if name in figures.get(group, {}):
            low, high = figures[group][name]
            return low, high
    return 0.0, -1.0


if __name__ == "__main__":
    sys.exit(main())
