"""A job definition and photos to a model: on this machine, through an embedded service, or on SageMaker.

    python -m training.submit --job training/jobs/waste.json --data photos/ [--pretrained weights/mobilenet_v1]

Without --stage it trains here and, where BINSIGHT_URL and BINSIGHT_KEY are set, registers the artifact at POST /models.
With --stage the service trains: photos are split here, uploaded (an embedded service reads them where they are), and
the job is started at POST /models and followed to its end. Either way the model lies in build/<job>/model.tar.gz.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from device.runtime.artifact import ArtifactError
from device.runtime.manifest import ManifestError
from scripts.service_process import Client, ServiceError
from training.datasets.built_in import channel_labels, write_lists, write_s3_manifest
from training.datasets.photo_set import DatasetError
from training.definition import Definition, DefinitionError, load
from training.follow import Follower, NotReadyError
from training.golden import POOLS
from training.job import JobError, JobRequest, run_job
from training.package import PackagingError
from training.prepare import checkpoint_files
from training.progress import Progress
from training.stage import StageError, find_stage, upload_folder
from training.tasks import TASKS

EMBEDDED = "embedded"
ARTIFACT = "model.tar.gz"
ENDINGS = (
    DefinitionError,
    DatasetError,
    JobError,
    PackagingError,
    ArtifactError,
    ManifestError,
    ServiceError,
    NotReadyError,
    StageError,
    OSError,
)


class SubmissionError(RuntimeError):
    """What was asked does not go together; the message says what to change."""


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    try:
        definition = load(options.job)
        options.out = options.out or Path("build") / definition.name
        submit(definition, options)
    except (SubmissionError, *ENDINGS) as error:
        print(f"no model: {error}", file=sys.stderr)
        return 1
    return 0


def parser() -> argparse.ArgumentParser:
    known = argparse.ArgumentParser(prog="python -m training.submit", description=__doc__.partition("\n")[0])
    known.add_argument("--job", type=Path, required=True, help="a definition of training/jobs")
    known.add_argument("--data", type=Path, required=True, help="labelled photos in any form that is imported")
    known.add_argument("--pretrained", type=Path, help="prefix of an MXNet checkpoint to begin from")
    known.add_argument("--out", type=Path, help="default: build/<name of the job>")
    known.add_argument(
        "--stage", default="", help="dev or prod: on SageMaker; embedded: by the service of this machine"
    )
    known.add_argument("--seed", type=int, default=0)
    known.add_argument("--training-python", type=Path, default=Path(".venv-train/bin/python"))
    known.add_argument("--allow-over-budget", action="store_true")
    known.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a hyperparameter")
    return known


def submit(definition: Definition, options: argparse.Namespace) -> None:
    if not options.data.exists():
        raise DatasetError(f"there is no {options.data}")
    checkpoint_files(options.pretrained)
    if options.stage:
        through_service(definition, options)
    else:
        here(definition, options)


def hyperparameters(definition: Definition, options: argparse.Namespace) -> dict[str, str]:
    chosen = {name: value for name, _, value in (pair.partition("=") for pair in options.set)}
    return {**definition.recipe(options.pretrained is not None), **chosen}


def here(definition: Definition, options: argparse.Namespace) -> None:
    if not definition.is_ours:
        raise SubmissionError(f"{definition.algorithm} runs on SageMaker only: give STAGE, or take another definition")
    request = JobRequest(
        work=options.out / "work",
        out=options.out,
        training_python=options.training_python,
        data=options.data,
        pretrained=options.pretrained,
        task=definition.task,
        name=definition.name,
        seed=options.seed,
        hyperparameters=hyperparameters(definition, options),
        pools=POOLS,
    )
    result = run_job(request)
    print(f"{result.artifact} {result.digest[:12]}: {TASKS[definition.task].headline(result.metrics['test'])}")
    url, key = os.environ.get("BINSIGHT_URL"), os.environ.get("BINSIGHT_KEY")
    if url and key:
        client = Client(url.rstrip("/"), key)
        upload = client.upload(result.artifact, "application/gzip")
        model = client.call("POST", "/models", {"upload": upload, "name": definition.name})
        print(f"registered as {model['id']}, {model['state']}")


def through_service(definition: Definition, options: argparse.Namespace) -> None:
    key = os.environ.get("BINSIGHT_KEY")
    if not key:
        raise SubmissionError("set BINSIGHT_KEY to a key with the scope admin")
    url, data, more = _laid_out(definition, options)
    follower = Follower(Client(url, key))
    chosen = {name: value for name, _, value in (pair.partition("=") for pair in options.set)}
    body: dict[str, Any] = {"job": options.job.stem, "data": data, "hyperparameters": {**more, **chosen}}
    model = follower.start({**body, "allow_over_budget": options.allow_over_budget})
    follower.until_ready(model["id"])
    follower.download(model["id"], options.out / ARTIFACT)
    print(f"{options.out / ARTIFACT}: model {model['id']}")


def _laid_out(definition: Definition, options: argparse.Namespace) -> tuple[str, dict[str, str], dict[str, str]]:
    """The service's address, the places of the data, and hyperparameters that follow from the data."""
    if options.stage == EMBEDDED:
        url = os.environ.get("BINSIGHT_URL", "http://127.0.0.1:8000").rstrip("/")
        places = {"": str(options.data.resolve())}
        if options.pretrained:
            places["pretrained"] = str(options.pretrained.resolve())
        return url, places, {"seed": str(options.seed)}
    return uploaded(definition, options)


def uploaded(definition: Definition, options: argparse.Namespace) -> tuple[str, dict[str, str], dict[str, str]]:
    import boto3  # only AWS needs it, and it takes a while

    stage = find_stage(options.stage, boto3.client("cloudformation"))
    work = options.out / "upload"
    shutil.rmtree(work, ignore_errors=True)
    prepared = TASKS[definition.task].prepare(options.data, work / "rendered", work / "data", options.seed)
    print("\n".join(prepared.report), flush=True)
    prefix = f"data/{definition.name}/{prepared.fingerprint[:16]}"
    place = f"s3://{stage.bucket}/{prefix}"
    more = adapt(definition, work / "data", place, prepared.photos["train"])
    places = {"": place}
    if options.pretrained:
        (work / "data" / "pretrained").mkdir()
        for path in checkpoint_files(options.pretrained):
            shutil.copyfile(path, work / "data" / "pretrained" / path.name)
        more["pretrained"] = options.pretrained.name
        places["pretrained"] = f"{place}/pretrained"
    files = sum(1 for path in (work / "data").rglob("*") if path.is_file())
    progress = Progress(f"uploading to {place}", files, "files")
    sent = upload_folder(work / "data", stage.bucket, prefix, boto3.client("s3"), progress.advance)
    print(f"{place}: {sent} of {files} files sent, the others were there")
    return stage.url, places, more


def adapt(definition: Definition, channels: Path, place: str, photos: int) -> dict[str, str]:
    """What a built-in algorithm wants beside the photos; answers the hyperparameters that only the data knows."""
    if definition.is_ours:
        return {}
    labels = channel_labels(channels / "train")
    piped = definition.document.get("channels")
    if piped:
        for name in ("train", "validation"):
            write_s3_manifest(channels / name, f"{place}/{name}", piped["attributes"][1])
    else:
        write_lists(channels, labels)
    return {"num_training_samples": str(photos), "num_classes": str(len(labels))}


if __name__ == "__main__":
    sys.exit(main())
