"""One training job on this machine, from photos to model.tar.gz, in the same steps and layout as on SageMaker.

    python -m training.job --data photos/ --out build/waste --training-python .venv-train/bin/python

Runs in the environment that serves; only the training program itself runs in the training environment.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from device.runtime.artifact import ArtifactError
from device.runtime.manifest import ManifestError
from training.calibrate import calibrate_model
from training.datasets.channel import read_channel
from training.datasets.folder import import_folder
from training.datasets.photo_set import DatasetError, PhotoSet, require_trainable
from training.datasets.rendered import write_rendered_waste
from training.datasets.split import Split, split_photos
from training.evaluate import evaluate
from training.package import Draft, PackagingError, Provenance, add_calibration, add_self_test, begin, finish
from training.prepare import prepare_layout

RENDERED_PER_LABEL = 1200
REPOSITORY = Path(__file__).resolve().parent.parent
# Chosen for two slow cores: rendered photos from scratch in about a minute, a frozen backbone's head in seconds.
FROM_SCRATCH = {"image_size": "64", "epochs": "24", "average_decay": "0.98", "max_seconds": "100"}
PRETRAINED = {
    "image_size": "224",
    "optimizer": "adam",
    "learning_rate": "0.003",
    "weight_decay": "0",
    "epochs": "60",
    "patience": "15",
}


class JobError(RuntimeError):
    """The job ended without a model; the message says why."""


@dataclass(frozen=True)
class JobRequest:
    """`data`: a folder of class folders; None renders photos. `work` is emptied first."""

    work: Path
    out: Path
    training_python: Path
    data: Path | None = None
    pretrained: Path | None = None
    name: str = "waste"
    seed: int = 0
    hyperparameters: Mapping[str, str] = field(default_factory=dict)
    sources: Sequence[Mapping[str, str]] = ()


@dataclass(frozen=True)
class JobResult:
    artifact: Path
    digest: str
    metrics: Mapping[str, Any]
    held_out: Path  # a channel folder with the test photos, none of which training or calibration saw


def run_job(request: JobRequest) -> JobResult:
    """Raises: JobError, DatasetError, PackagingError; `out` holds a whole model or none."""
    shutil.rmtree(request.work, ignore_errors=True)
    photos = load_photos(request)
    for line in photos.report.lines():
        print(line, flush=True)
    split = split_photos(photos, seed=request.seed)
    layout = request.work / "ml"
    prepare_layout(layout, split, job_hyperparameters(request), request.pretrained)
    run_training(request, layout)
    return package_job(request, layout, photos, split)


def load_photos(request: JobRequest) -> PhotoSet:
    if request.data is not None:
        return require_trainable(import_folder(request.data))
    begun_s = time.monotonic()
    folder = write_rendered_waste(request.work / "rendered", RENDERED_PER_LABEL, request.seed)
    print(f"rendered {3 * RENDERED_PER_LABEL} photos in {time.monotonic() - begun_s:.0f} s", flush=True)
    return require_trainable(import_folder(folder))


def job_hyperparameters(request: JobRequest) -> dict[str, str]:
    chosen = PRETRAINED if request.pretrained else FROM_SCRATCH
    return {**chosen, "seed": str(request.seed), **request.hyperparameters}


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


def package_job(request: JobRequest, layout: Path, photos: PhotoSet, split: Split) -> JobResult:
    channels = {name: read_channel(layout / "input" / "data" / name) for name in split.parts()}
    draft = begin(layout / "model", request.work / "package", _provenance(request, photos, split))
    with draft.predictor() as predictor:
        calibration = calibrate_model(predictor, channels["train"], channels["validation"])
    add_calibration(draft, calibration)
    with draft.predictor() as predictor:
        metrics = {name: evaluate(predictor, channels[name]) for name in ("validation", "test")}
    draft.write(metrics={name: summary(figures) for name, figures in metrics.items()})
    return _finished(request, layout, draft, metrics)


def _finished(request: JobRequest, layout: Path, draft: Draft, metrics: Mapping[str, Any]) -> JobResult:
    add_self_test(draft, request.seed)
    artifact = request.out / "model.tar.gz"
    digest = finish(draft, artifact)
    (request.out / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n")
    return JobResult(artifact, digest, metrics, layout / "input" / "data" / "test")


def summary(figures: Mapping[str, Any]) -> dict[str, Any]:
    """What the manifest keeps of the figures: flat numbers, and the recall of each label."""
    return {name: value for name, value in figures.items() if isinstance(value, int | float) or name == "recall"}


def _provenance(request: JobRequest, photos: PhotoSet, split: Split) -> Provenance:
    return Provenance(
        name=request.name,
        dataset_fingerprint=photos.fingerprint(),
        job=f"local-{request.name}-{photos.fingerprint()[:12]}",
        code_revision=code_revision(),
        photos={name: len(part.photos) for name, part in split.parts().items()},
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
    parser.add_argument("--data", type=Path, help="a folder with one folder of photos per class; default: rendered")
    parser.add_argument("--pretrained", type=Path, help="prefix of an MXNet checkpoint")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--work", type=Path, help="default: <out>/work")
    parser.add_argument("--training-python", type=Path, default=REPOSITORY / ".venv-train/bin/python")
    parser.add_argument("--name", default="waste")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a hyperparameter")
    options = parser.parse_args(arguments)
    pairs = [text.partition("=") for text in options.set]
    request = JobRequest(
        options.work or options.out / "work",
        options.out,
        options.training_python,
        options.data,
        options.pretrained,
        options.name,
        options.seed,
        {name: value for name, _, value in pairs},
    )
    try:
        result = run_job(request)
    except (JobError, DatasetError, PackagingError, ArtifactError, ManifestError, OSError) as error:
        print(f"no model: {error}", file=sys.stderr)
        return 1
    test = result.metrics["test"]
    print(f"{result.artifact} {result.digest[:12]}: macro recall {test['macro_recall']} on {test['photos']} photos")
    return 0


if __name__ == "__main__":
    sys.exit(main())
