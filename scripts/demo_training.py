"""The demo's model: trained here, or the starter model where MXNet cannot run."""

from dataclasses import dataclass
from pathlib import Path

from device.runtime.artifact import ArtifactError
from device.runtime.manifest import ManifestError
from training.datasets.channel import read_channel
from training.datasets.folder import import_folder
from training.datasets.photo_set import DatasetError
from training.datasets.rendered import write_rendered_waste
from training.job import JobError, JobRequest, run_job
from training.package import PackagingError

TRAINING_PYTHON = Path(".venv-train/bin/python")
STARTER_PHOTOS_PER_LABEL = 30
SEED = 0


class DemoTrainingError(Exception):
    """There is no model; the message says why and what to do."""


@dataclass(frozen=True)
class DemoModel:
    """`artifact` None: the model is in the service already. `held_out`: photos with the answer they should get."""

    artifact: Path | None
    held_out: list[tuple[Path, str]]


def train(task: str, data: str | None, pretrained: str | None, work: Path) -> DemoModel:
    """Raises: DemoTrainingError."""
    request = JobRequest(
        work=work,
        out=work.parent / "model",
        training_python=TRAINING_PYTHON,
        data=_folder(data),
        pretrained=_prefix(pretrained),
        name="waste",
        seed=SEED,
    )
    try:
        result = run_job(request)
    except (JobError, DatasetError, PackagingError, ArtifactError, ManifestError, OSError) as error:
        raise DemoTrainingError(f"no model: {error}") from error
    test = result.metrics["test"]
    print(f"   evaluated on {test['photos']} held-out photos: macro-averaged recall {test['macro_recall']:.3f}")
    return DemoModel(result.artifact, [(photo.path, photo.label) for photo in read_channel(result.held_out)])


def starter_model(task: str, data: str | None, work: Path) -> DemoModel:
    """The starter model's photos to answer. Raises: DemoTrainingError."""
    if task != "classify":
        raise DemoTrainingError(f"the starter model classifies; TASK={task} needs MXNet, which cannot run here.")
    try:
        folder = _folder(data) or write_rendered_waste(work / "rendered", STARTER_PHOTOS_PER_LABEL, SEED)
        photos = import_folder(folder).photos
    except (DatasetError, OSError) as error:
        raise DemoTrainingError(str(error)) from error
    return DemoModel(None, [(photo.path, photo.label) for photo in photos])


def _folder(data: str | None) -> Path | None:
    if not data:
        return None
    if not Path(data).is_dir():
        raise DemoTrainingError(f"DATA={data} is no folder; give one with a folder of photos for each class.")
    return Path(data)


def _prefix(pretrained: str | None) -> Path | None:
    if not pretrained:
        return None
    prefix = Path(pretrained)
    if not prefix.with_name(f"{prefix.name}-symbol.json").is_file():
        raise DemoTrainingError(
            f"PRETRAINED={pretrained} names no MXNet checkpoint: {prefix.parent} should hold {prefix.name}-symbol.json "
            f"and {prefix.name}-0000.params."
        )
    return prefix
