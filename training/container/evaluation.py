"""`evaluate`: SageMaker's processing program. From what a training job left to model.tar.gz, calibrated and measured.

The layout (`SAGEMAKER_BASE_DIR` replaces /opt/ml):

    processing/input/artifact/model.tar.gz    the training job's own output
    processing/input/data/<channel>           train, validation and test, as the training job had them
    processing/output/                        model.tar.gz, metrics.json, card.md, card.html and golden-answers.json;
                                              `failure` when there is no model
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path

from device.runtime.artifact import ArtifactError
from device.runtime.manifest import ManifestError
from training.adopt import Adoption, adopt
from training.built_in_files import AdoptionError
from training.datasets.channel import channel_lines
from training.datasets.photo_set import DatasetError
from training.golden import POOLS
from training.job import JobRequest, package_job
from training.package import FACTS_FILE, PackagingError
from training.tasks import TASKS, PreparedData

CHANNELS = ("train", "validation", "test")
MAX_FAILURE_CHARACTERS = 1024


def main(arguments: Sequence[str] | None = None) -> int:
    root = Path(os.environ.get("SAGEMAKER_BASE_DIR") or "/opt/ml") / "processing"
    parser = argparse.ArgumentParser(prog="evaluate", description=__doc__)
    parser.add_argument("--task", choices=sorted(TASKS), default=os.environ.get("BINSIGHT_TASK", "classify"))
    parser.add_argument("--name", default=os.environ.get("BINSIGHT_MODEL_NAME", ""), help="of the model")
    parser.add_argument("--labels", default=os.environ.get("BINSIGHT_LABELS", ""), help="a built-in job's, a line each")
    parser.add_argument("--artifact", type=Path, default=root / "input" / "artifact" / "model.tar.gz")
    parser.add_argument("--data", type=Path, default=root / "input" / "data", help="the folder of the channels")
    parser.add_argument("--out", type=Path, default=root / "output")
    parser.add_argument("--pools", type=Path, default=POOLS, help="the folder of the golden pools")
    options = parser.parse_args(arguments)
    try:
        return evaluate(options)
    except (
        AdoptionError,
        DatasetError,
        PackagingError,
        ArtifactError,
        ManifestError,
        OSError,
        tarfile.TarError,
    ) as error:
        print(f"no model: {error}", file=sys.stderr)
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / "failure").write_text(str(error)[:MAX_FAILURE_CHARACTERS], encoding="utf-8")
        return 1


def evaluate(options: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory() as work:
        layout = laid_out(options.artifact, options.data, Path(work) / "ml")
        if not (layout / "model" / FACTS_FILE).exists():
            return adopted(layout / "model", options)
        request = JobRequest(
            work=Path(work),
            out=options.out,
            training_python=Path(sys.executable),
            data=options.data,
            task=options.task,
            name=options.name,
            pools=options.pools,
        )
        result = package_job(request, layout, prepared(layout / "input" / "data"))
    print(f"{result.artifact} {result.digest[:12]}: {TASKS[options.task].headline(result.metrics['test'])}")
    return 0


def adopted(model: Path, options: argparse.Namespace) -> int:
    """What a built-in algorithm left: only its own container can run it, so it is packaged and not measured here."""
    labels = tuple(label for label in options.labels.splitlines() if label.strip())
    if not labels:
        raise AdoptionError(
            f"the artifact has no {FACTS_FILE}, so our training program did not write it; a built-in algorithm's needs "
            "its labels, a line each, in --labels or BINSIGHT_LABELS"
        )
    digest = adopt(model, Adoption(options.name or options.task, options.task, labels), options.out)
    print(f"{options.out / 'model.tar.gz'} {digest[:12]}: adopted, not measured")
    return 0


def laid_out(artifact: Path, data: Path, layout: Path) -> Path:
    """The training job's files and channels, as they lay when it trained. Raises: OSError, TarError."""
    (layout / "input").mkdir(parents=True)
    (layout / "input" / "data").symlink_to(data.resolve(), target_is_directory=True)
    with tarfile.open(artifact) as archive:
        archive.extractall(layout / "model", filter="data")
    return layout


def prepared(channels: Path) -> PreparedData:
    """Raises: DatasetError, when a channel is missing or empty."""
    lines = {name: channel_lines(channels / name) for name in CHANNELS}
    content = "\n".join(f"{name} {line}" for name in CHANNELS for line in sorted(lines[name]))
    fingerprint = hashlib.sha256(content.encode()).hexdigest()
    return PreparedData(fingerprint, {name: len(found) for name, found in lines.items()}, [])


if __name__ == "__main__":
    sys.exit(main())
