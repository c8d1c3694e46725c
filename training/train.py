"""The training program: `python -m training.train`, in SageMaker's container or in any folder with its layout.

Writes into model/: model-symbol.json and model-0000.params (MXNet), model.onnx, and training.json, which says what the
files are; calibration, evaluation and packaging read it.
"""

import dataclasses
import hashlib
import json
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from training.classification import train_classifier
from training.counting.training import train_counter
from training.datasets.channel import channel_lines
from training.detection.training import train_detector
from training.export import ExportRequest, export, rounded
from training.layout import ContainerLayout, TrainingError, run_in_container
from training.mxnet_import import mx
from training.networks.small import FIXED_PARAMETERS
from training.settings import TrainSettings
from training.trained_network import TrainedNetwork
from training.weights import Checkpoints

Program = Callable[[ContainerLayout, TrainSettings, Checkpoints], TrainedNetwork]
PROGRAMS: Mapping[str, Program] = {
    "classify": train_classifier,
    "count": train_counter,
    "detect": train_detector,
}


def train(layout: ContainerLayout) -> None:
    begun_s = time.monotonic()
    settings = TrainSettings.from_hyperparameters(layout.hyperparameters())
    if settings.task not in PROGRAMS:
        raise TrainingError(f"the task {settings.task} has no training program")
    checkpoints = Checkpoints(layout.checkpoints, _identity(layout, settings))
    network = PROGRAMS[settings.task](layout, settings, checkpoints)
    with layout.whole_model() as folder:
        write_model(network, settings, layout, folder)
        spent = {"seconds": round(time.monotonic() - begun_s, 1), "processor_s": round(time.process_time(), 1)}
        facts = {**describe(network, settings, layout), **spent}
        (folder / "training.json").write_text(json.dumps(facts, indent=2) + "\n")
    print(f"trained {len(network.history)} epochs in {facts['seconds']:.0f} s", flush=True)


def _identity(layout: ContainerLayout, settings: TrainSettings) -> str:
    """Of the job: settings and photos. A checkpoint is continued by no other."""
    digest = hashlib.sha256(json.dumps(dataclasses.asdict(settings), sort_keys=True).encode())
    for name in ("train", "validation"):
        for line in channel_lines(layout.require_channel(name)):
            digest.update(f"{name} {line}\n".encode())
    return digest.hexdigest()


def write_model(network: TrainedNetwork, settings: TrainSettings, layout: ContainerLayout, folder: Path) -> None:
    size = settings.image_size
    request = ExportRequest(
        network.answer,
        rounded(network.weights),
        settings.input_name,
        (1, 3, size, size),
        tuple(network.outputs.values()),
    )
    export(request, network.some_photos, folder)


def describe(network: TrainedNetwork, settings: TrainSettings, layout: ContainerLayout) -> dict[str, Any]:
    """training.json but for the time that the whole program took, reading photos and frozen features included."""
    counts = {name: len(channel_lines(layout.require_channel(name))) for name in ("train", "validation")}
    size = settings.image_size
    return {
        "task": settings.task,
        "labels": list(network.labels),
        "input": {
            "name": settings.input_name,
            "width": size,
            "height": size,
            "color_order": "RGB",
            "layout": "NCHW",
            "fit": settings.fit,
        },
        "outputs": dict(network.outputs),
        **network.facts,
        "hyperparameters": dataclasses.asdict(settings),
        "photos": counts,
        "parameters": parameter_count(network),
        "history": list(network.history),
        "loop_seconds": round(network.seconds, 1),
        "mxnet": mx.__version__,
    }


def parameter_count(network: TrainedNetwork) -> int:
    """How many numbers there are to learn: normalization statistics and what is never trained are none."""
    arguments = set(network.answer.list_arguments()) - set(FIXED_PARAMETERS)
    return sum(int(network.weights[name].size) for name in arguments if name in network.weights)


def main() -> int:
    return run_in_container(ContainerLayout.from_environment(), train)


if __name__ == "__main__":
    sys.exit(main())
