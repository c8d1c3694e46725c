"""The definitions of training/jobs: held to their schema, to the training program and to the tasks' own recipes."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from training.definition import FOLDER, DefinitionError, load
from training.progress import report_metrics
from training.tasks import TASKS

FILES = sorted(FOLDER.glob("*.json"))
names = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
OURS = [path for path in FILES if json.loads(path.read_text())["algorithm"] == "binsight"]
ours = pytest.mark.parametrize("path", OURS, ids=lambda path: path.stem)


def write(folder: Path, **changes: Any) -> Path:
    document = json.loads((FOLDER / "waste.json").read_text())
    document.update(changes)
    (folder / "job.json").write_text(json.dumps({name: value for name, value in document.items() if value is not None}))
    return folder / "job.json"


def test_all_three_systems_are_defined() -> None:
    tasks = {(load(path).task, load(path).is_ours) for path in FILES}
    assert tasks == {("classify", True), ("classify", False), ("count", True), ("detect", True), ("detect", False)}


@names
def test_a_definition_is_read_and_bears_its_files_name(path: Path) -> None:
    assert load(path).name == path.stem


@ours
def test_a_recipe_leaves_nothing_to_the_tasks_defaults(path: Path) -> None:
    """So that the job is the same here and on SageMaker, where those defaults are not known."""
    definition = load(path)
    task = TASKS[definition.task]
    assert set(task.from_scratch) <= set(definition.hyperparameters)
    assert set(task.pretrained) <= set(definition.pretrained)


@ours
def test_a_metric_is_found_in_what_the_training_program_prints(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    definition = load(path)
    printed = [pattern.partition("=")[0] for pattern in definition.metrics.values()]
    report_metrics(dict.fromkeys(printed, 1.5e-05))
    line = capsys.readouterr().out
    for pattern in definition.metrics.values():
        (found,) = re.findall(pattern, line)
        assert float(found) == 1.5e-05


def test_a_checkpoint_changes_the_recipe_altogether() -> None:
    definition = load(FOLDER / "waste.json")
    assert definition.recipe(has_checkpoint=True) == dict(definition.pretrained)
    assert "standardize" not in definition.recipe(has_checkpoint=False)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"spot": None}, "spot is missing"),
        ({"speed": 3}, "speed is not known"),
        ({"name": "Waste"}, "small letters"),
        ({"task": "detect", "algorithm": "image-classification"}, "does not do task detect"),
        ({"hyperparameters": {"learning_speed": "1"}}, "unknown hyperparameters: learning_speed"),
        ({"hyperparameters": {"epochs": "many"}}, "'many' is not a int"),
        ({"hyperparameters": {"epochs": 3}}, "maps names to texts"),
        ({"metrics": {"loss": "loss=1"}}, "one group"),
        ({"metrics": {}}, "is none of metrics"),
        ({"metrics": {"loss": "loss=(["}}, "unterminated character set"),
        ({"schema": 2}, "schema is 1, not 2"),
        ({"max_runtime_s": "3600"}, "max_runtime_s is '3600', which is no integer"),
        ({"instance_count": 0}, "instance_count lies between 1 and 20"),
        ({"instance_type": "m5.large"}, "instance_type is 'm5.large'"),
        ({"spot": "yes"}, "spot is 'yes', which is no boolean"),
        ({"tuning": {"goal": "Minimize"}}, "tuning.objective is None"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_fault_is_named_with_its_file(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DefinitionError, match=f"job.json: .*{message}"):
        load(write(tmp_path, **changes))


def test_ranges_that_the_program_cannot_read_are_refused(tmp_path: Path) -> None:
    tuning = json.loads((FOLDER / "waste.json").read_text())["tuning"]
    tuning["ranges"] = {"epochs": {"type": "continuous", "low": 1.5, "high": 2.5, "scale": "linear"}}
    with pytest.raises(DefinitionError, match=r"'1\.5' is not a int"):
        load(write(tmp_path, tuning=tuning))
    tuning["ranges"] = {"epochs": {"type": "categorical", "values": [3, 4]}}
    with pytest.raises(DefinitionError, match=r"ranges\.epochs\.values is a list of texts"):
        load(write(tmp_path, tuning=tuning))
    tuning["ranges"] = {"epochs": {"type": "integer", "low": "few", "high": 4}}
    with pytest.raises(DefinitionError, match=r"ranges\.epochs is no range"):
        load(write(tmp_path, tuning=tuning))
    tuning["ranges"] = {"learning_rate": {"type": "continuous", "low": 0, "high": 1, "scale": "logarithmic"}}
    with pytest.raises(DefinitionError, match=r"ranges\.learning_rate is no range"):
        load(write(tmp_path, tuning=tuning))


def test_a_file_that_is_not_json_or_not_there_is_refused(tmp_path: Path) -> None:
    (tmp_path / "job.json").write_text("{")
    with pytest.raises(DefinitionError, match=r"job\.json"):
        load(tmp_path / "job.json")
    with pytest.raises(DefinitionError, match="cannot be read"):
        load(tmp_path / "gone.json")
