"""A service whose training program is a small one of the tests, and its trainer turned by hand."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from chalicelib.adapters.embedded.trainer import Trainer
from chalicelib.adapters.job_definitions import JobFiles
from chalicelib.bootstrap import embedded_services, embedded_trainer
from tests.functional.service import Service, running, settings_of

PATIENCE_S = 120.0
# Says as the real one does: options --task, --name, --data, --out, --work, and --set=NAME=VALUE per hyperparameter.
PROGRAM = """
import argparse, pathlib, shutil, sys, time
parser = argparse.ArgumentParser()
for option in ("--task", "--name", "--out", "--work", "--data"):
    parser.add_argument(option)
parser.add_argument("--set", action="append", default=[])
options = parser.parse_args(sys.argv[2:])
settings = dict(pair.split("=", 1) for pair in options.set)
print("epoch 1 of 1", flush=True)
time.sleep(float(settings.get("seconds", 0)))
while "while_there_is" in settings and pathlib.Path(settings["while_there_is"]).exists():
    time.sleep(0.02)
if "failure" in settings:
    sys.exit(settings["failure"])
out = pathlib.Path(options.out)
out.mkdir(parents=True)
shutil.copy(sys.argv[1], out / "model.tar.gz")
answers = pathlib.Path(sys.argv[1]).with_name("golden-answers.json")
if answers.exists():
    shutil.copy(answers, out)
(out / "card.md").write_text("# A card of its own")
(out / "card.html").write_text("<h1>A card of its own</h1><script>alert(1)</script>")
"""
DEFINITIONS = {
    "waste": {"task": "classify", "hyperparameters": {"epochs": 3}},
    "banknotes": {"task": "detect", "algorithm": "object-detection"},
}


@dataclass(frozen=True)
class TrainingService:
    service: Service
    trainer: Trainer

    def step(self) -> None:
        """What the scheduler does four times a second."""
        self.trainer.pump(1)
        self.service.services.training.progress.tick()

    def until(self, model_id: str, *states: str, timeout_s: float = PATIENCE_S) -> dict[str, object]:
        deadline_s = time.monotonic() + timeout_s
        while time.monotonic() < deadline_s:
            self.step()
            model = self.service.client.get(f"/models/{model_id}").json()
            if model["state"] in states:
                return dict(model)
            time.sleep(0.05)
        raise AssertionError(f"{model_id} stayed {model['state']}")


def train_command(folder: Path, artifact: Path) -> str:
    program = folder / "train.py"
    program.write_text(PROGRAM)
    return f"{sys.executable} {program} {artifact}"


@contextmanager
def training_service(folder: Path, artifact: Path) -> Iterator[TrainingService]:
    folder.mkdir(parents=True, exist_ok=True)
    for name, document in DEFINITIONS.items():
        (folder / "definitions").mkdir(exist_ok=True)
        (folder / "definitions" / f"{name}.json").write_text(json.dumps(document))
    settings = settings_of(folder / "home", BINSIGHT_TRAIN_COMMAND=train_command(folder, artifact))
    services = embedded_services(settings)
    definitions = JobFiles(folder / "definitions")
    progress = replace(services.training.progress, definitions=definitions)
    training = replace(services.training, definitions=definitions, progress=progress)
    trainer = embedded_trainer(settings)
    with running(settings, replace(services, training=training)) as service:
        try:
            yield TrainingService(service, trainer)
        finally:
            trainer.stop()
            for process in trainer.started:
                process.wait()
