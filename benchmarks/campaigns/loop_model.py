"""A network that costs what a camera's usually does, for figures that only ask how long it takes."""

from __future__ import annotations

from pathlib import Path

from training.datasets.rendered import write_rendered_waste
from training.job import JobRequest, run_job

# 530 million multiplications a frame of 224 x 224 pixels, as MobileNetV1 has, in the operators of every engine.
HYPERPARAMETERS = {"image_size": "224", "channels": "32,64,128,256", "depths": "1,2,2,2", "epochs": "1"}
PHOTOS_PER_LABEL = 40


def train(folder: Path, training_python: Path) -> Path:
    """The artifact of a network that was trained for a moment: it answers badly, at the price of a good one."""
    photos = write_rendered_waste(folder / "photos", PHOTOS_PER_LABEL)
    request = JobRequest(folder / "work", folder, training_python, photos, hyperparameters=HYPERPARAMETERS)
    return run_job(request).artifact
