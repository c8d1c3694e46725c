"""`python -m training.evaluate --model model.tar.gz --data DATA --out metrics.json`: a model on labelled data.

Runs in the environment that serves (onnxruntime, no MXNet), so the figures are those of what will be promoted.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from device.runtime.artifact import ArtifactError, unpack
from device.runtime.manifest import ManifestError
from device.runtime.predictor import Predictor
from training.datasets.photo_set import DatasetError
from training.tasks import TASKS


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m training.evaluate", description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="model.tar.gz")
    parser.add_argument(
        "--data", type=Path, required=True, help="class folders, labels.csv, or a manifest (boxes for a detector)"
    )
    parser.add_argument("--out", type=Path, required=True, help="metrics.json to write")
    parser.add_argument("--engine", default="onnxruntime")
    options = parser.parse_args(arguments)
    try:
        figures = evaluate_archive(options.model, options.data, options.engine)
    except (DatasetError, ArtifactError, ManifestError, OSError) as error:
        print(f"evaluation failed: {error}", file=sys.stderr)
        return 1
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(figures, indent=2) + "\n")
    print(TASKS[figures["task"]].headline(figures))
    return 0


def evaluate_archive(archive: Path, data: Path, engine: str = "onnxruntime") -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        unpacked = Path(folder) / "model"
        unpack(archive, unpacked)
        predictor = Predictor.load(unpacked, engine, threads=1)
        return TASKS[predictor.manifest.task].evaluate(predictor, data)


if __name__ == "__main__":
    sys.exit(main())
