"""The training program in the training environment: a few seconds, from photos to a packaged model."""

import json
import os
import shutil
import signal
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from device.runtime.artifact import unpack
from device.runtime.predictor import Predictor
from training.datasets.channel import write_channel
from training.datasets.folder import import_folder
from training.datasets.rendered import render_waste, write_rendered_waste
from training.datasets.split import split_photos
from training.evaluate import main as evaluate_main
from training.golden import ANSWERS_NAME, POOLS
from training.job import JobRequest, JobResult, run_job
from training.prepare import write_hyperparameters

REPOSITORY = Path(__file__).resolve().parents[2]
QUICK = {"image_size": "48", "channels": "16,32", "depths": "1,1", "epochs": "3", "batch_size": "16", "augment": "0.3"}
# The training program, whose process is killed where it says how the second of its epochs went: whoever read that from
# outside and killed it then might come after its end.
KILLED = """
import os, signal, sys
class Killed:
    def __init__(self, stream): self.stream = stream
    def __getattr__(self, name): return getattr(self.stream, name)
    def write(self, text):
        if text.startswith("epoch=2;"): os.kill(os.getpid(), signal.SIGKILL)
        return self.stream.write(text)
sys.stdout = Killed(sys.stdout)
from training.train import main
sys.exit(main())
"""
AVERAGED = {"average_decay": "0.9", "optimizer": "adam", "learning_rate": "0.002"}


def _training_python() -> Path:
    return Path(os.environ.get("BINSIGHT_TRAINING_PYTHON", REPOSITORY / ".venv-train/bin/python")).absolute()


def _has_mxnet() -> bool:
    if not _training_python().exists():
        return False
    done = subprocess.run([_training_python(), "-c", "import training.mxnet_import"], cwd=REPOSITORY, check=False)
    return done.returncode == 0


pytestmark = pytest.mark.skipif(
    not _has_mxnet(), reason="MXNet cannot be imported by BINSIGHT_TRAINING_PYTHON or .venv-train/bin/python"
)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_rendered_waste(tmp_path_factory.mktemp("photos"), per_label=30, seed=1, side=64)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, photos: Path) -> tuple[Path, str]:
    """A layout whose training ended well, and what it printed."""
    root = layout(tmp_path_factory.mktemp("trained") / "ml", photos, **AVERAGED)
    done = train(root)
    assert done.returncode == 0, done.stderr
    return root, done.stdout


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory, photos: Path) -> JobResult:
    return run_job(request(tmp_path_factory.mktemp("job"), photos))


def request(folder: Path, photos: Path, pretrained: Path | None = None, **hyperparameters: str) -> JobRequest:
    return JobRequest(
        work=folder / "work",
        out=folder / "out",
        training_python=_training_python(),
        data=photos,
        pretrained=pretrained,
        hyperparameters={**QUICK, **hyperparameters},
    )


def layout(root: Path, photos: Path, **hyperparameters: str) -> Path:
    for name, part in split_photos(import_folder(photos)).parts().items():
        write_channel(part, root / "input" / "data" / name)
    write_hyperparameters(root, {**QUICK, **hyperparameters})
    return root


def train(root: Path, *program: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "SAGEMAKER_BASE_DIR": str(root)}
    command = [str(_training_python()), *(program or ("-m", "training.train"))]
    return subprocess.run(command, env=environment, cwd=REPOSITORY, capture_output=True, text=True, check=False)


def weights(root: Path) -> bytes:
    return (root / "model" / "model-0000.params").read_bytes()


def test_the_seconds_are_those_of_the_whole_program(trained: tuple[Path, str]) -> None:
    facts = json.loads((trained[0] / "model" / "training.json").read_text())
    assert facts["seconds"] > facts["loop_seconds"] > 0
    assert facts["processor_s"] > 0


def test_photos_become_an_artifact_that_answers_and_carries_its_figures(tmp_path: Path, job: JobResult) -> None:
    manifest = unpack(job.artifact, tmp_path / "unpacked", job.digest)
    assert manifest.label_names == ("compost", "landfill", "recycling")
    assert "awscam" in manifest.engines
    assert manifest.scene is not None
    assert manifest.scene.references is not None
    assert manifest.training["photos"]["test"] == job.metrics["test"]["photos"]
    predictor = Predictor.load(tmp_path / "unpacked")
    predictor.self_test()
    answer = predictor.predict_image(render_waste("compost", np.random.default_rng(9), 64))
    assert sum(answer.probabilities) == pytest.approx(1, abs=1e-3)


def test_evaluating_the_artifact_gives_the_figures_of_its_job(tmp_path: Path, job: JobResult) -> None:
    out = tmp_path / "figures.json"
    assert evaluate_main(["--model", str(job.artifact), "--data", str(job.held_out), "--out", str(out)]) == 0
    assert json.loads(out.read_text())["macro_recall"] == job.metrics["test"]["macro_recall"]


def test_an_artifact_of_ours_serves_as_a_pretrained_network(tmp_path: Path, photos: Path, job: JobResult) -> None:
    unpack(job.artifact, tmp_path / "unpacked")
    second = run_job(request(tmp_path, photos, pretrained=tmp_path / "unpacked" / "model"))
    assert unpack(second.artifact, tmp_path / "again").label_names == ("compost", "landfill", "recycling")


def test_metrics_are_printed_as_sagemaker_reads_them(trained: tuple[Path, str]) -> None:
    lines = [line for line in trained[1].splitlines() if line.startswith("epoch=")]
    assert len(lines) == 3
    assert all("validation_macro_recall=" in line and line.endswith(";") for line in lines)


def test_card_figures_and_answers_to_the_golden_pool_lie_beside_the_artifact(
    tmp_path: Path, photos: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    result = run_job(replace(request(tmp_path, photos), pools=POOLS))
    found = {path.name for path in (tmp_path / "out").iterdir()}
    assert found >= {"model.tar.gz", "metrics.json", "card.md", "card.html", ANSWERS_NAME}
    assert json.loads((tmp_path / "out" / ANSWERS_NAME).read_text())["digest"] == result.digest
    card = (tmp_path / "out" / "card.md").read_text()
    assert "Measured on photos held out" in card
    assert result.digest in card
    assert "fewer than 60: compost, landfill, recycling" in capfd.readouterr().out


def test_the_same_seed_gives_the_same_weights(tmp_path: Path, photos: Path, trained: tuple[Path, str]) -> None:
    again = layout(tmp_path / "again", photos, **AVERAGED)
    assert train(again).returncode == 0
    assert weights(again) == weights(trained[0])


def test_a_job_that_was_killed_goes_on_as_if_it_had_not_been(
    tmp_path: Path, photos: Path, trained: tuple[Path, str]
) -> None:
    killed = layout(tmp_path / "killed", photos, **AVERAGED)
    assert train(killed, "-c", KILLED).returncode == -signal.SIGKILL
    assert not (killed / "model" / "model.onnx").exists()
    resumed = train(killed)
    assert "resumed after epoch" in resumed.stdout
    assert weights(killed) == weights(trained[0])


def test_a_checkpoint_of_another_job_is_refused(tmp_path: Path, photos: Path, trained: tuple[Path, str]) -> None:
    root = layout(tmp_path / "job", photos, epochs="2")
    shutil.copytree(trained[0] / "checkpoints", root / "checkpoints")
    assert train(root).returncode == 1
    assert "another job" in (root / "output" / "failure").read_text()


@pytest.mark.parametrize(
    ("hyperparameters", "message"),
    [
        ({"learning_rate": "1e9", "optimizer": "sgd"}, "no longer a number"),
        ({"pretrained": "nothing"}, "no MXNet checkpoint"),
    ],
    ids=["diverges", "no-checkpoint"],
)
def test_what_fails_is_said_in_the_failure_file_and_leaves_no_model(
    tmp_path: Path, photos: Path, hyperparameters: dict[str, str], message: str
) -> None:
    root = layout(tmp_path / "job", photos, **hyperparameters)
    done = train(root)
    assert done.returncode == 1
    assert message in (root / "output" / "failure").read_text()
    assert "Traceback" not in done.stderr
    assert not list(root.glob("model/*"))
