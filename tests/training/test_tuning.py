"""Tuning: each trial is the training program with values from the definition's ranges, its metric read by the regex."""

import argparse
import json
import sys
from pathlib import Path

import pytest

from training.datasets.rendered import write_rendered_waste
from training.definition import FOLDER, DefinitionError, load
from training.trial import TrialFailedError, Trials, metric_values, write_recipe

# Stands for the training environment's python: says a metric that depends on the learning rate, and nothing is trained.
PROGRAM = """#!{python}
import json, math, os, pathlib, sys
layout = pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"])
values = json.loads((layout / "input/config/hyperparameters.json").read_text())
assert (layout / "input/data/train").is_dir()
loss = abs(math.log(float(values["learning_rate"]) / 0.004))
if loss > {fails_over}:
    (layout / "output").mkdir()
    (layout / "output" / "failure").write_text("the loss is no longer a number")
    sys.exit(1)
for epoch in range(3):
    print(f"epoch={{epoch + 1}}; train_loss=1; validation_loss={{loss + 1 / (epoch + 1):.6g}};")
"""


def program(folder: Path, fails_over: float = 9.0) -> Path:
    path = folder / "python"
    path.write_text(PROGRAM.format(python=sys.executable, fails_over=fails_over))
    path.chmod(0o755)
    return path


@pytest.fixture
def trials(tmp_path: Path) -> Trials:
    definition = load(FOLDER / "waste.json")
    (tmp_path / "data" / "train").mkdir(parents=True)
    assert definition.tuning
    fixed = definition.recipe(has_checkpoint=False)
    return Trials(definition, definition.tuning, tmp_path / "data", tmp_path, program(tmp_path, 2.0), fixed)


def test_values_are_read_as_sagemaker_reads_them() -> None:
    lines = ["resumed after epoch 1", "epoch=2; validation_loss=1.5e-05;", "epoch=3; validation_loss=0.25;"]
    assert list(metric_values(lines, "validation_loss=([0-9.e+-]+);")) == [1.5e-05, 0.25]


def test_a_trial_answers_its_last_value(trials: Trials) -> None:
    seen: list[int] = []
    value = trials.run(0, {"learning_rate": "0.004"}, lambda epoch, value: not seen.append(epoch))  # type: ignore[func-returns-value]
    assert value == pytest.approx(1 / 3, abs=1e-4)
    assert seen == [1, 2, 3]


def test_a_trial_may_be_ended_early(trials: Trials) -> None:
    assert trials.run(0, {"learning_rate": "0.004"}, lambda epoch, value: epoch < 2) == pytest.approx(0.5)


def test_a_trial_that_fails_says_why(trials: Trials) -> None:
    with pytest.raises(TrialFailedError, match="no longer a number"):
        trials.run(0, {"learning_rate": "9"}, lambda epoch, value: True)


def test_the_best_values_go_into_the_recipe_they_were_found_for(tmp_path: Path) -> None:
    path = tmp_path / "bins.json"
    path.write_text((FOLDER / "bins.json").read_text())
    before = load(path)
    write_recipe(path, {"learning_rate": "0.0007", "mixup": "0.2"}, has_checkpoint=True)
    after = load(path)
    assert after.pretrained == {**before.pretrained, "learning_rate": "0.0007", "mixup": "0.2"}
    assert after.hyperparameters == before.hyperparameters
    lines = set(path.read_text().splitlines()) ^ set((FOLDER / "bins.json").read_text().splitlines())
    assert len(lines) <= 5


@pytest.mark.parametrize("name", ["waste", "bins", "banknotes"])
def test_a_definitions_own_values_are_within_its_ranges(name: str) -> None:
    definition = load(FOLDER / f"{name}.json")
    assert definition.tuning
    for recipe in (definition.hyperparameters, definition.pretrained):
        for parameter, each in definition.tuning.ranges.items():
            if parameter in recipe and each.kind == "categorical":
                assert recipe[parameter] in each.values
            elif parameter in recipe and recipe is definition.pretrained:
                assert each.low <= float(recipe[parameter]) <= each.high


def options(tmp_path: Path, **changes: object) -> argparse.Namespace:
    photos = tmp_path / "photos"
    if not photos.exists():
        write_rendered_waste(photos, per_label=8, side=48)
    given = {"job": FOLDER / "waste.json", "data": photos, "pretrained": None, "out": tmp_path / "out", "trials": 6}
    given |= {"seconds": None, "seed": 0, "training_python": program(tmp_path, 2.0), "write": False}
    return argparse.Namespace(**{**given, **changes})


def test_a_study_finds_better_values_goes_on_where_it_was_and_survives_failed_trials(tmp_path: Path) -> None:
    pytest.importorskip("optuna", reason="Optuna is not installed here; it is in .venv-tune")
    from training.tune import tune

    definition = load(FOLDER / "waste.json")
    tune(definition, options(tmp_path, trials=3))
    first = json.loads((tmp_path / "out" / "tuned.json").read_text())["trials"]
    best = tune(definition, options(tmp_path, trials=8))
    document = json.loads((tmp_path / "out" / "tuned.json").read_text())
    assert document["trials"][:3] == first
    assert len(document["trials"]) == 8
    assert document["hyperparameters"] == best
    ranges = definition.tuning.ranges if definition.tuning else {}
    assert all(ranges[name].holds(trial[name]) for trial in document["trials"] for name in ranges if name in trial)
    assert len({trial["learning_rate"] for trial in document["trials"]}) == 8
    assert document["value"] == min(trial["value"] for trial in document["trials"] if trial["state"] == "COMPLETE")


def test_the_first_trial_is_what_there_was_before_names_that_only_the_program_knows_included(tmp_path: Path) -> None:
    pytest.importorskip("optuna", reason="Optuna is not installed here; it is in .venv-tune")
    from training.tune import tune

    document = json.loads((FOLDER / "waste.json").read_text())
    document["tuning"]["ranges"] = {
        "epochs": {"type": "integer", "low": 5, "high": 90},
        "contrast": {"type": "categorical", "values": ["1", "0"]},
        "dropout": {"type": "categorical", "values": ["0.2", "0", "0.4"]},
        "momentum": {"type": "continuous", "low": 0.5, "high": 0.99, "scale": "linear"},
        "class_balance": {"type": "continuous", "low": 0, "high": 0.5, "scale": "linear"},
    }
    (tmp_path / "job.json").write_text(json.dumps(document))
    tune(load(tmp_path / "job.json"), options(tmp_path, trials=1))
    (first,) = json.loads((tmp_path / "out" / "tuned.json").read_text())["trials"]
    chosen = {name: first[name] for name in ("epochs", "contrast", "dropout", "momentum")}
    assert chosen == {"epochs": 20, "contrast": "0", "dropout": "0", "momentum": 0.9}
    assert 0 <= first["class_balance"] <= 0.5, "the program's own value, 1, lies outside of the range"


def test_a_definition_of_another_container_is_not_tuned_here(tmp_path: Path) -> None:
    pytest.importorskip("optuna", reason="Optuna is not installed here; it is in .venv-tune")
    from training.tune import tune

    with pytest.raises(DefinitionError, match="tunes nothing here"):
        tune(load(FOLDER / "waste-built-in.json"), options(tmp_path))
