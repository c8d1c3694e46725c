"""One training job on this machine, from photos to model.tar.gz, in the same steps and layout as on SageMaker.

    python -m training.job --data photos/ --out build/waste --training-python .venv-train/bin/python

Runs in the environment that serves; only the training program itself runs in the training environment.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from device.runtime.artifact import ArtifactError
from device.runtime.manifest import MANIFEST_FILE, ManifestError
from training.card.write import write_card
from training.datasets.balance import balance_lines, channel_counts
from training.datasets.built_in import write_whole
from training.datasets.photo_set import DatasetError
from training.evaluation import Evaluation
from training.golden import ANSWERS_NAME, POOLS, newest_pool, write_golden_answers
from training.package import Draft, PackagingError, Provenance, add_calibration, add_self_test, begin, finish
from training.prepare import write_hyperparameters
from training.resume import clear, forget_checkpoints, keep_own_checkpoints
from training.tasks import TASKS, PreparedData

REPOSITORY = Path(__file__).resolve().parent.parent


class JobError(RuntimeError):
    """The job ended without a model; the message says why."""


@dataclass(frozen=True)
class JobRequest:
    """`data`: in any form; None renders photos. `work` is emptied, but for what a killed job goes on from."""

    work: Path
    out: Path
    training_python: Path
    data: Path | None = None
    pretrained: Path | None = None
    task: str = "classify"
    name: str = ""  # of the model; the task has one of its own
    seed: int = 0
    hyperparameters: Mapping[str, str] = field(default_factory=dict)
    sources: Sequence[Mapping[str, str]] = ()
    pools: Path | None = None  # the folder of the golden pools; None: the model answers none


@dataclass(frozen=True)
class JobResult:
    artifact: Path
    digest: str
    metrics: Mapping[str, Any]
    held_out: Path  # a channel folder with the test photos, none of which training or calibration saw


def run_job(request: JobRequest) -> JobResult:
    """Raises: JobError, DatasetError, PackagingError; `out` holds a whole model or none."""
    task = TASKS[request.task]
    layout = request.work / "ml"
    clear(request.work, layout)
    data = task.prepare(request.data, request.work / "rendered", layout / "input" / "data", request.seed)
    print("\n".join([*data.report, *balance_lines(channel_counts(layout / "input" / "data" / "train"))]), flush=True)
    hyperparameters = job_hyperparameters(request)
    keep_own_checkpoints(layout, data.fingerprint, hyperparameters, request.pretrained)
    write_hyperparameters(layout, hyperparameters, request.pretrained)
    run_training(request, layout)
    forget_checkpoints(layout)
    return package_job(request, layout, data)


def job_hyperparameters(request: JobRequest) -> dict[str, str]:
    task = TASKS[request.task]
    chosen = task.pretrained if request.pretrained else task.from_scratch
    return {"task": request.task, **chosen, "seed": str(request.seed), **request.hyperparameters}


def run_training(request: JobRequest, layout: Path) -> None:
    environment = {**os.environ, "SAGEMAKER_BASE_DIR": str(layout), "PYTHONPATH": str(REPOSITORY)}
    command = [str(request.training_python), "-m", "training.train"]
    try:
        code = subprocess.run(command, env=environment, cwd=REPOSITORY, check=False).returncode
    except OSError as error:
        raise JobError(f"{request.training_python} cannot be run: {error.strerror}") from error
    if code != 0:
        failure = layout / "output" / "failure"
        reason = failure.read_text() if failure.exists() else f"the training program ended with code {code}"
        raise JobError(reason)


def package_job(request: JobRequest, layout: Path, data: PreparedData) -> JobResult:
    task, channels = TASKS[request.task], layout / "input" / "data"
    draft = begin(layout / "model", request.work / "package", _provenance(request, data))
    with draft.predictor() as predictor:
        calibration = task.calibrate(predictor, channels)
    add_calibration(draft, calibration)
    with draft.predictor() as predictor:
        measured = {name: task.evaluate(predictor, channels / name) for name in ("test", "validation")}
    metrics = {name: each.figures for name, each in measured.items()}
    draft.write(metrics={name: summary(figures) for name, figures in metrics.items()})
    add_self_test(draft, task.self_test_photos(request.seed))
    artifact = request.out / "model.tar.gz"
    digest = finish(draft, artifact)
    _tell(request, draft, measured, digest)
    return JobResult(artifact, digest, metrics, channels / "test")


def _tell(request: JobRequest, draft: Draft, measured: Mapping[str, Evaluation], digest: str) -> None:
    """What lies beside the artifact: metrics.json, the card, and the answers to the golden pool."""
    metrics = {name: each.figures for name, each in measured.items()}
    write_whole(request.out / "metrics.json", [json.dumps(metrics, indent=2), "\n"])
    manifest = json.loads((draft.folder / MANIFEST_FILE).read_text())
    titles = {"test": "photos held out", "validation": "validation photos (temperature and thresholds chosen on them)"}
    write_card(request.out, manifest, {titles[name]: each for name, each in measured.items()}, digest)
    pool = newest_pool(request.pools, request.task) if request.pools else None
    if pool is not None:
        with draft.predictor() as predictor:
            write_golden_answers(predictor, pool, digest, request.out / ANSWERS_NAME)


def summary(figures: Mapping[str, Any]) -> dict[str, Any]:
    """What the manifest keeps of the figures: flat numbers, each label's recall, and of how many photos or objects."""
    kept = {name: value for name, value in figures.items() if isinstance(value, int | float) or name == "recall"}
    support = {row["label"]: row.get("photos", row.get("objects")) for row in figures.get("per_class", ())}
    return {**kept, "support": support} if support else kept


def _provenance(request: JobRequest, data: PreparedData) -> Provenance:
    name = request.name or TASKS[request.task].model_name
    return Provenance(
        name=name,
        dataset_fingerprint=data.fingerprint,
        job=f"local-{name}-{data.fingerprint[:12]}",
        code_revision=code_revision(),
        photos=data.photos,
        sources=request.sources or ([] if request.data else [{"name": "rendered", "licence": "Apache-2.0"}]),
    )


def code_revision() -> str:
    try:
        asked = ["git", "rev-parse", "HEAD"]
        done = subprocess.run(asked, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    except OSError:
        return "unknown"
    return done.stdout.strip() or "unknown"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m training.job", description=__doc__)
    parser.add_argument(
        "--data", type=Path, help="class folders, labels.csv or a manifest with boxes; default: rendered"
    )
    parser.add_argument("--pretrained", type=Path, help="prefix of an MXNet checkpoint")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--work", type=Path, help="default: <out>/work")
    parser.add_argument("--training-python", type=Path, default=REPOSITORY / ".venv-train/bin/python")
    parser.add_argument("--task", choices=sorted(TASKS), default="classify")
    parser.add_argument("--name", default="", help="of the model")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pools", type=Path, default=POOLS, help="the folder of the golden pools")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a hyperparameter")
    options = parser.parse_args(arguments)
    pairs = [text.partition("=") for text in options.set]
    request = JobRequest(
        work=options.work or options.out / "work",
        out=options.out,
        training_python=options.training_python,
        data=options.data,
        pretrained=options.pretrained,
        task=options.task,
        name=options.name,
        seed=options.seed,
        hyperparameters={name: value for name, _, value in pairs},
        pools=options.pools,
    )
    try:
        result = run_job(request)
    except (JobError, DatasetError, PackagingError, ArtifactError, ManifestError, OSError) as error:
        print(f"no model: {error}", file=sys.stderr)
        return 1
    print(f"{result.artifact} {result.digest[:12]}: {TASKS[options.task].headline(result.metrics['test'])}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
