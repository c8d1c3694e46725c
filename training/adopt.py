"""Adopts what SageMaker's built-in algorithms trained: symbol and weights without our manifest, packaged with one.

    python -m training.adopt --artifact model.tar.gz --name waste --labels compost,landfill,recycling --out DIR

Labels and input are given once and checked against the files: the classes that the network answers with, its input.
Such a model is served by the container that it was trained in, which scales colours in its own way outside of the
network: so no engine of ours may run it, and it answers without calibration until it is measured on an endpoint.
"""

from __future__ import annotations

import argparse
import base64
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from device.runtime.artifact import ArtifactError, describe_files, pack
from device.runtime.manifest import MANIFEST_FILE, SCHEMA, SELF_TEST_FILE, ManifestError, parse_manifest
from training.built_in_files import INPUT, AdoptionError, check_classes, check_files, checked_size, take_files
from training.package import BIN_COLORS, SELF_TEST_TOLERANCE

CONTAINERS = {"classify": "image-classification", "count": "image-classification", "detect": "object-detection"}
DEFAULT_THRESHOLD = 0.5


@dataclass(frozen=True)
class Adoption:
    """What nobody but a person knows of an artifact. `values`: what one object of a label is worth.

    `size_px` 0: as the algorithm's own files say. `photo` and `answer`: a PNG and the JSON that the container answered
    to it, by which an endpoint is proved later.
    """

    name: str
    task: str
    labels: tuple[str, ...]
    size_px: int = 0
    values: Mapping[str, float] = field(default_factory=dict)
    job: str = ""
    photo: Path | None = None
    answer: Path | None = None


def adopt(artifact: Path, adoption: Adoption, out: Path) -> str:
    """`artifact` is the training job's model.tar.gz, or a folder with its files. Answers the new artifact's digest.

    Raises: AdoptionError, ArtifactError, ManifestError.
    """
    labels = tuple(label.strip() for label in adoption.labels)
    if not labels or len(set(labels)) != len(labels) or not all(labels):
        raise AdoptionError("labels: every class of the network has a name, and no two have the same")
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work) / "model"
        folder.mkdir()
        take_files(artifact, folder)
        symbol = check_files(folder)
        check_classes(symbol, folder, adoption.task, labels)
        size_px = checked_size(folder, adoption.size_px)
        if adoption.photo and adoption.answer:
            write_self_test(folder, adoption.photo, adoption.answer, labels, adoption.task)
        document = manifest_of(adoption, labels, size_px, folder)
        parse_manifest(document)
        (folder / MANIFEST_FILE).write_text(json.dumps(document, indent=1, sort_keys=True) + "\n")
        out.mkdir(parents=True, exist_ok=True)
        return pack(folder, out / "model.tar.gz")


def write_self_test(folder: Path, photo: Path, answer: Path, labels: Sequence[str], task: str) -> None:
    content = photo.read_bytes()
    if not content.startswith(b"\x89PNG"):
        raise AdoptionError(f"{photo} is no PNG: what an endpoint is proved by must not change on its way")
    try:
        document = json.loads(answer.read_text(encoding="utf-8"))
        told = detections_of(document, labels) if task == "detect" else [float(value) for value in document]
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise AdoptionError(f"{answer} is not what the container answers ({error!r})") from error
    if task != "detect" and len(told) != len(labels):
        raise AdoptionError(
            f"labels: the container answered {len(told)} probabilities, {len(labels)} labels were named"
        )
    vector = {"image_png_base64": base64.b64encode(content).decode(), "tolerance": SELF_TEST_TOLERANCE}
    name = "detections" if task == "detect" else "probabilities"
    (folder / SELF_TEST_FILE).write_text(json.dumps({**vector, name: told}) + "\n")


def detections_of(document: Mapping[str, Any], labels: Sequence[str]) -> list[dict[str, Any]]:
    sides = ("xmin", "ymin", "xmax", "ymax")
    return [
        {"label": labels[int(row[0])], "confidence": float(row[1]), "box": dict(zip(sides, row[2:6], strict=True))}
        for row in document["prediction"]
        if row[0] >= 0 and row[1] >= DEFAULT_THRESHOLD
    ]


def manifest_of(adoption: Adoption, labels: Sequence[str], side: int, folder: Path) -> dict[str, Any]:
    """No temperature and even thresholds: nothing was measured yet, and the manifest does not pretend it was."""
    is_detector = adoption.task == "detect"
    threshold = DEFAULT_THRESHOLD if is_detector else 0.0
    counts = [int(label) for label in labels] if adoption.task == "count" else []
    return {
        "schema": SCHEMA,
        "name": adoption.name,
        "task": adoption.task,
        "labels": [
            {"name": label, "color": BIN_COLORS.get(label), "value": adoption.values.get(label)} for label in labels
        ],
        "input": {
            "name": INPUT,
            "width": side,
            "height": side,
            "color_order": "RGB",
            "layout": "NCHW",
            "fit": "squash",
        },
        "outputs": {"probabilities": "cls_prob" if is_detector else "softmax_output", "features": None},
        "engines": [],
        "container": CONTAINERS[adoption.task],
        "decision": {
            "temperature": 1.0,
            "thresholds": dict.fromkeys(labels, threshold),
            "ambiguous_margin": 0.0,
            "trained_range": [min(counts), max(counts)] if counts else None,
        },
        "detection": None,
        "scene": None,
        "files": describe_files(folder),
        "training": {
            "job": adoption.job or "unknown",
            "program": CONTAINERS[adoption.task],
            "hyperparameters": {},
            "sources": [],
        },
        "metrics": {},
    }


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    try:
        values = {name: float(value) for name, _, value in (pair.rpartition("=") for pair in options.value)}
        adoption = Adoption(
            options.name,
            options.task,
            tuple(options.labels.split(",")),
            options.size,
            values,
            options.job,
            options.photo,
            options.answer,
        )
        digest = adopt(options.artifact, adoption, options.out)
    except (AdoptionError, ArtifactError, ManifestError, OSError, ValueError) as error:
        print(f"not adopted: {error}", file=sys.stderr)
        return 1
    print(f"{options.out / 'model.tar.gz'} {digest[:12]}: {len(adoption.labels)} labels, {CONTAINERS[options.task]}")
    return 0


def parser() -> argparse.ArgumentParser:
    known = argparse.ArgumentParser(prog="python -m training.adopt", description=__doc__.partition("\n")[0])
    known.add_argument(
        "--artifact", type=Path, required=True, help="the job's model.tar.gz, or a folder with its files"
    )
    known.add_argument("--name", required=True, help="of the model")
    known.add_argument("--task", choices=sorted(CONTAINERS), default="classify")
    known.add_argument("--labels", required=True, help="between commas, in the order of the class numbers")
    known.add_argument("--size", type=int, default=0, help="pixels a side of the network's input; default: as it says")
    known.add_argument("--value", action="append", default=[], metavar="LABEL=VALUE", help="what one object is worth")
    known.add_argument("--job", default="", help="the training job's name")
    known.add_argument("--photo", type=Path, help="a PNG that the container was asked, for the self-test")
    known.add_argument("--answer", type=Path, help="the JSON that the container answered to it")
    known.add_argument("--out", type=Path, required=True)
    return known


if __name__ == "__main__":
    sys.exit(main())
