"""POST /models with a committed definition: this machine's trainer trains, packages and measures a model of it."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from chalicelib.adapters.embedded.trainer import Trainer
from chalicelib.bootstrap import embedded_trainer
from tests.functional.service import Service, running, settings_of
from training.datasets.rendered import write_rendered_waste

CHECKOUT = Path(__file__).parents[2]
TRAINING_PYTHON = Path(os.environ.get("BINSIGHT_TRAINING_PYTHON", CHECKOUT / ".venv-train" / "bin" / "python"))
TINY = {"epochs": "1", "image_size": "32", "channels": "16,32", "depths": "1,1"}
PATIENCE_S = 600.0

pytestmark = pytest.mark.skipif(
    not TRAINING_PYTHON.is_file(), reason=f"no training environment at {TRAINING_PYTHON} (BINSIGHT_TRAINING_PYTHON)"
)


@dataclass(frozen=True)
class Machine:
    service: Service
    trainer: Trainer

    def ended(self, model_id: str) -> dict[str, Any]:
        """The model, once its job and its evaluation are over."""
        deadline_s = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline_s:
            self.trainer.pump(1)
            self.service.services.training.progress.tick()
            model = dict(self.service.client.get(f"/models/{model_id}").json())
            if model["state"] not in ("training", "evaluating"):
                return model
            time.sleep(0.1)
        raise AssertionError(f"{model_id} is still {model['state']}")


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    command = f"{sys.executable} -m training.job --training-python {TRAINING_PYTHON}"
    settings = settings_of(tmp_path / "home", BINSIGHT_TRAIN_COMMAND=command)
    trainer = embedded_trainer(settings)
    with running(settings) as service:
        yield Machine(service, trainer)
    trainer.stop()
    for process in trainer.started:
        process.wait()


def test_a_committed_definition_becomes_a_ready_model_that_is_compared_label_by_label(
    machine: Machine, tmp_path: Path
) -> None:
    write_rendered_waste(tmp_path / "photos", 32, seed=3)
    client = machine.service.client
    begun = client.post("/models", {"job": "waste", "data": str(tmp_path / "photos"), "hyperparameters": TINY})
    assert (begun.status, begun.json()["id"], begun.json()["state"]) == (201, "waste-1", "training"), begun.body
    model = machine.ended("waste-1")
    assert model["state"] == "ready", (model["reason"], Path(model["logs"]).read_text()[-2000:])
    assert model["lineage"]["definition"] == "waste"
    assert str(model["lineage"]["hyperparameters"]["epochs"]) == TINY["epochs"]
    assert sum(model["metrics"]["support"].values()) == model["metrics"]["photos"] > 0
    assert client.get("/models/waste-1/card").body.startswith(b"# ")
    rows = client.get("/models/waste-1/compare/waste-1").json()["labels"]
    assert [row["label"] for row in rows] == ["compost", "landfill", "recycling"]
    for row in rows:
        low, high = row["interval_95"]
        assert low < row["difference"] == 0 < high
