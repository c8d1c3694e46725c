"""What a job refuses before any training, and the layout a training container is given."""

import json
from pathlib import Path

import pytest

from training.datasets.rendered import write_rendered_waste
from training.job import JobError, JobRequest, run_job
from training.job import main as job_main
from training.layout import ContainerLayout, TrainingError, run_in_container
from training.package import engines_of
from training.prepare import write_hyperparameters
from training.settings import TrainSettings


def symbol(path: Path, *operators: str) -> Path:
    path.write_text(json.dumps({"nodes": [{"op": operator, "name": operator} for operator in ("null", *operators)]}))
    return path


def test_data_that_cannot_be_trained_on_ends_in_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert job_main(["--out", str(tmp_path / "out"), "--data", str(tmp_path / "nowhere")]) == 1
    assert f"there is no {tmp_path}" in capsys.readouterr().err
    assert not (tmp_path / "out" / "model.tar.gz").exists()


def test_a_training_environment_that_is_not_there_is_named(tmp_path: Path) -> None:
    photos = write_rendered_waste(tmp_path / "photos", per_label=4, side=48)
    request = JobRequest(tmp_path / "work", tmp_path / "out", tmp_path / "no-python", data=photos)
    with pytest.raises(JobError, match="no-python cannot be run"):
        run_job(request)


def test_deeplens_runs_a_network_of_documented_operators_only(tmp_path: Path) -> None:
    documented = symbol(tmp_path / "a.json", "Convolution", "BatchNorm", "Activation", "Pooling", "SoftmaxOutput")
    undocumented = symbol(tmp_path / "b.json", "Convolution", "clip")
    assert "awscam" in engines_of(documented)
    assert "awscam" not in engines_of(undocumented)


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"epochs": "many"}, "epochs"),
        ({"lerning_rate": "0.1"}, "lerning_rate"),
        ({"fit": "stretch"}, "squash, crop, letterbox"),
        ({"image_size": "8"}, "image_size"),
        ({"learning_rate": "-0.1"}, "learning_rate: -0.1 is not above 0"),
        ({"learning_rate": "nan"}, "learning_rate"),
        ({"dropout": "1"}, "dropout: 1 is not from 0"),
    ],
)
def test_a_hyperparameter_that_makes_no_sense_is_named(values: dict[str, str], named: str) -> None:
    with pytest.raises(TrainingError, match=named):
        TrainSettings.from_hyperparameters(values)


def test_hyperparameters_are_strings_quoted_or_not_and_sagemakers_own_are_ignored() -> None:
    values = {"epochs": '"7"', "learning_rate": "0.5", "sagemaker_region": '"eu-west-1"'}
    settings = TrainSettings.from_hyperparameters(values)
    assert (settings.epochs, settings.learning_rate) == (7, 0.5)


def test_a_failing_program_leaves_its_reason_and_no_model(tmp_path: Path) -> None:
    def program(layout: ContainerLayout) -> None:
        with layout.whole_model() as folder:
            (folder / "model.onnx").write_bytes(b"half")
            raise TrainingError("the disk is full")

    layout = ContainerLayout(tmp_path)
    assert run_in_container(layout, program) == 1
    assert layout.failure.read_text() == "the disk is full"
    assert list(layout.model.iterdir()) == []


def test_a_missing_channel_is_named(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="channel train is missing"):
        ContainerLayout(tmp_path).require_channel("train")


def test_a_checkpoints_files_become_a_channel(tmp_path: Path) -> None:
    for name in ("net-symbol.json", "net-0000.params", "other-0000.params"):
        (tmp_path / name).write_text(name)
    write_hyperparameters(tmp_path / "ml", {"epochs": "2"}, tmp_path / "net")
    channel = tmp_path / "ml" / "input" / "data" / "pretrained"
    assert sorted(path.name for path in channel.iterdir()) == ["net-0000.params", "net-symbol.json"]
    assert ContainerLayout(tmp_path / "ml").hyperparameters() == {"epochs": "2", "pretrained": "net"}
