"""`python -m training.evaluate --model model.tar.gz --data DATA --out metrics.json`: a model on labelled data.

Runs in the environment that serves (onnxruntime, no MXNet), so the figures are those of what will be promoted.
"""

import argparse
import hashlib
import json
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from device.runtime.artifact import ArtifactError, unpack
from device.runtime.manifest import ManifestError
from device.runtime.predictor import Predictor
from training.card.write import write_card
from training.datasets.built_in import write_whole
from training.datasets.photo_set import DatasetError
from training.golden import ANSWERS_NAME, write_golden_answers
from training.tasks import TASKS


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m training.evaluate", description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="model.tar.gz")
    parser.add_argument(
        "--data", type=Path, required=True, help="class folders, labels.csv, or a manifest (boxes for a detector)"
    )
    parser.add_argument("--out", type=Path, required=True, help="metrics.json to write, a card beside it")
    parser.add_argument("--engine", default="onnxruntime")
    parser.add_argument("--golden-pool", type=Path, help="a zip of photos; the model's answers are written beside OUT")
    options = parser.parse_args(arguments)
    try:
        figures = evaluate_and_tell(options)
    except (DatasetError, ArtifactError, ManifestError, OSError, zipfile.BadZipFile) as error:
        print(f"evaluation failed: {error}", file=sys.stderr)
        return 1
    print(TASKS[figures["task"]].headline(figures))
    return 0


def evaluate_and_tell(options: argparse.Namespace) -> Mapping[str, Any]:
    """Writes OUT and the card beside it; that of `figures.json` is `figures-card.html`: two can lie in a folder."""
    with loaded(options.model, options.engine) as predictor:
        measured = TASKS[predictor.manifest.task].evaluate(predictor, options.data)
        out: Path = options.out
        out.parent.mkdir(parents=True, exist_ok=True)
        write_whole(out, [json.dumps(measured.figures, indent=2), "\n"])
        prefix = "" if out.stem == "metrics" else f"{out.stem}-"
        digest = hashlib.sha256(options.model.read_bytes()).hexdigest()
        write_card(out.parent, predictor.manifest.raw, {options.data.resolve().name: measured}, digest, prefix)
        if options.golden_pool:
            write_golden_answers(predictor, options.golden_pool, digest, out.with_name(f"{prefix}{ANSWERS_NAME}"))
    return measured.figures


def evaluate_archive(archive: Path, data: Path, engine: str = "onnxruntime") -> Mapping[str, Any]:
    with loaded(archive, engine) as predictor:
        return TASKS[predictor.manifest.task].evaluate(predictor, data).figures


@contextmanager
def loaded(archive: Path, engine: str) -> Iterator[Predictor]:
    with tempfile.TemporaryDirectory() as folder:
        unpacked = Path(folder) / "model"
        unpack(archive, unpacked)
        predictor = Predictor.load(unpacked, engine, threads=1)
        try:
            yield predictor
        finally:
            predictor.close()


if __name__ == "__main__":
    sys.exit(main())
