"""A model's answers to the golden pool, for the registry: what a camera's and an endpoint's proof is judged by.

The pool is a zip of PNGs, `<task>-<version>.zip`, handed over as a file: training knows nothing else of the service.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from device.runtime.decision import DetectionDecision
from device.runtime.predictor import Answer, Predictor
from training.datasets.built_in import write_whole

POOLS = Path(__file__).resolve().parent.parent / "chalicelib" / "golden"  # where they lie in a checkout and the image
ANSWERS_NAME = "golden-answers.json"
SCHEMA = 1
# As the registry compares answers: the surest detections, probabilities to six digits.
MOST_DETECTIONS = 20
DIGITS = 6


def newest_pool(folder: Path, task: str) -> Path | None:
    """Of the pools in `folder` the task's with the highest version."""
    named = {path: re.fullmatch(rf"{task}-(\d+)", path.stem) for path in folder.glob(f"{task}-*.zip")}
    versions = {path: int(match[1]) for path, match in named.items() if match}
    return max(versions, key=lambda path: versions[path], default=None)


def write_golden_answers(predictor: Predictor, pool: Path, digest: str, out: Path) -> None:
    """`predictor`: of the finished artifact with this digest. Raises: OSError, BadZipFile."""
    document = {"schema": SCHEMA, "pool": pool.stem, "digest": digest, "answers": answer_pool(predictor, pool)}
    write_whole(out, [json.dumps(document, sort_keys=True), "\n"])


def answer_pool(predictor: Predictor, pool: Path) -> dict[str, Any]:
    """Photo's id -> answer."""
    with zipfile.ZipFile(pool) as packed:
        names = sorted(packed.namelist())
        return {Path(name).stem: essence(predictor.predict(packed.read(name))) for name in names}


def essence(answer: Answer) -> Mapping[str, Any]:
    """What of an answer the registry keeps and compares."""
    result = answer.result
    if isinstance(result, DetectionDecision):
        surest = sorted(result.detections, key=lambda found: -found.confidence)[:MOST_DETECTIONS]
        told = [found.to_json() for found in surest]
        return {"detections": [{name: found[name] for name in ("label", "confidence", "box")} for found in told]}
    return {"probabilities": {label: round(value, DIGITS) for label, value in result.probabilities.items()}}
