"""A detector of rendered coins, trained by the project's own code: once, for all tests that ask it."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from training.datasets.rendered_coins import coin_values, write_rendered_coins
from training.job import JobRequest, JobResult, run_job

CHECKOUT = Path(__file__).parents[2]
TRAINING_PYTHON = Path(os.environ.get("BINSIGHT_TRAINING_PYTHON", CHECKOUT / ".venv-train" / "bin" / "python"))
SIDE_PX = 64
MOST = 3
SMALL = {"image_size": str(SIDE_PX), "channels": "16,32,32", "depths": "1,1,1", "batch_size": "16"}
ABLE = {
    **SMALL,
    "epochs": "10",
    "optimizer": "adam",
    "learning_rate": "0.004",
    "average_decay": "0.9",
    "augment": "0.3",
}
COINS = json.dumps({"values": coin_values(), "added_objects": 0, "composed_per_frame": 0, "zoom": 0})

needs_training = pytest.mark.skipif(
    not TRAINING_PYTHON.is_file(), reason=f"no training environment at {TRAINING_PYTHON} (BINSIGHT_TRAINING_PYTHON)"
)


@dataclass(frozen=True)
class Detector:
    photos: Path
    result: JobResult


@cache
def trained_detector(base: Path) -> Detector:
    """`base`: the run's own folder for temporary files, the same for all tests."""
    folder = base / "coins"
    folder.mkdir(exist_ok=True)
    write_rendered_coins(folder / "photos", 200, seed=5, size_px=SIDE_PX, most_coins=MOST)
    request = job_of(folder, "detect", folder / "photos", **{**ABLE, "options": COINS})
    return Detector(folder / "photos", run_job(request))


def job_of(folder: Path, task: str, data: Path, **hyperparameters: str) -> JobRequest:
    return JobRequest(
        work=folder / "work",
        out=folder / "out",
        training_python=TRAINING_PYTHON,
        data=data,
        task=task,
        hyperparameters=hyperparameters,
    )
