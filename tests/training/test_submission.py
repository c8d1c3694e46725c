"""From a definition to a model through a service: what is uploaded, what is asked for, and how its end is told."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scripts.service_process import Client
from tests.training.photo_files import write_photo
from training import submit
from training.datasets.built_in import channel_labels
from training.datasets.photo_set import DatasetError
from training.datasets.rendered_coins import write_rendered_coins
from training.definition import FOLDER, load
from training.follow import Follower, NotReadyError
from training.prepare import CheckpointMissingError, checkpoint_files
from training.tasks import TASKS


class Service(Client):
    """Answers GET /models/{id} with one state after the other."""

    def __init__(self, *states: str, **facts: Any) -> None:
        super().__init__("http://service", "key")
        self.states, self.facts = list(states), facts
        self.asked: list[tuple[str, str, Any]] = []

    def call(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        self.asked.append((method, path, body))
        state = self.states.pop(0) if method == "GET" else "training"
        return {"id": "waste-3", "state": state, "reason": "", "logs": None, **self.facts}


def follower(service: Service, clock: Iterator[float]) -> Follower:
    return Follower(service, lambda: next(clock), lambda seconds: None, io.StringIO())


def test_a_model_is_followed_until_it_is_ready() -> None:
    service = Service("training", "training", "evaluating", "ready")
    following = follower(service, iter(range(0, 100, 10)))
    assert following.until_ready("waste-3")["state"] == "ready"
    lines = following.stream.getvalue().splitlines()  # type: ignore[attr-defined]
    assert lines == ["waste-3: training, 10 s", "waste-3: evaluating, 30 s", "waste-3: ready, 40 s"]


@pytest.mark.parametrize("state", ["failed", "stopped", "retired"])
def test_a_job_that_ends_without_a_model_says_why_and_where_to_look(state: str) -> None:
    service = Service(state, reason="the loss is no longer a number", logs="https://logs")
    with pytest.raises(NotReadyError, match=rf"waste-3 is {state}: the loss .* \(logs: https://logs\)"):
        follower(service, iter(range(10))).until_ready("waste-3")


def test_the_most_that_a_job_may_cost_is_said_when_it_starts(capsys: pytest.CaptureFixture[str]) -> None:
    service = Service(price={"most_usd": 1.472, "source": "the price list", "as_of": "2024-11"})
    follower(service, iter([])).start({"job": "waste"})
    assert capsys.readouterr().out == "waste-3: 1.47 USD at the most (the price list, 2024-11)\n"
    assert service.asked == [("POST", "/models", {"job": "waste"})]


def test_a_built_in_classifier_gets_lists_and_what_only_the_data_knows(tmp_path: Path) -> None:
    for index in range(24):
        write_photo(tmp_path / "photos" / ("glass", "paper")[index % 2] / f"{index}.jpg", index)
    prepared = TASKS["classify"].prepare(tmp_path / "photos", tmp_path, tmp_path / "data", 0)
    definition = load(FOLDER / "waste-built-in.json")
    more = submit.adapt(definition, tmp_path / "data", "s3://b/set", prepared.photos["train"])
    assert more == {"num_training_samples": str(prepared.photos["train"]), "num_classes": "2"}
    first = (tmp_path / "data" / "train_lst" / "train.lst").read_text().splitlines()[0].split("\t")
    assert (tmp_path / "data" / "train" / first[2]).is_file()


def test_a_built_in_detector_gets_manifests_of_addresses(tmp_path: Path) -> None:
    coins = write_rendered_coins(tmp_path / "coins", 40, seed=1)
    TASKS["detect"].prepare(coins, tmp_path, tmp_path / "data", 0)
    definition = load(FOLDER / "banknotes-built-in.json")
    more = submit.adapt(definition, tmp_path / "data", "s3://b/set", 25)
    assert more["num_classes"] == str(len(channel_labels(tmp_path / "data" / "train")))
    for name in ("train", "validation"):
        lines = (tmp_path / "data" / name / "s3.manifest").read_text().splitlines()
        first = json.loads(lines[0])
        assert first["source-ref"].startswith(f"s3://b/set/{name}/photos/")
        assert "cash" in first


def test_our_own_container_needs_nothing_more(tmp_path: Path) -> None:
    assert submit.adapt(load(FOLDER / "waste.json"), tmp_path, "s3://b/set", 25) == {}


def test_a_class_without_photos_in_a_channel_is_noticed(tmp_path: Path) -> None:
    line = {"source-ref": "a.jpg", "label": 1, "label-metadata": {"class-name": "paper"}}
    (tmp_path / "manifest.jsonl").write_text(json.dumps(line) + "\n")
    with pytest.raises(DatasetError, match="no photos of some class"):
        channel_labels(tmp_path)


@pytest.mark.parametrize(
    ("job", "more", "message"),
    [
        ("waste-built-in.json", [], "runs on SageMaker only"),
        ("gone.json", [], "cannot be read"),
        ("waste.json", ["--pretrained", "weights/none"], "names no MXNet checkpoint"),
        ("waste.json", ["--stage", "embedded"], "BINSIGHT_KEY"),
        ("waste.json", ["--data", "gone"], "there is no gone"),
        ("banknotes.json", [], "has no boxes"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_anything_is_begun(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    job: str,
    more: list[str],
    message: str,
) -> None:
    monkeypatch.delenv("BINSIGHT_KEY", raising=False)
    write_photo(tmp_path / "photos" / "glass" / "a.jpg", 1)
    data = ["--job", str(FOLDER / job), "--data", str(tmp_path / "photos"), "--out", str(tmp_path / "out")]
    assert submit.main([*data, *more]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out" / "model.tar.gz").exists()


def test_a_checkpoint_is_a_symbol_and_its_weights(tmp_path: Path) -> None:
    (tmp_path / "net-symbol.json").write_text("{}")
    with pytest.raises(CheckpointMissingError):
        checkpoint_files(tmp_path / "net")
    (tmp_path / "net-0007.params").write_bytes(b"")
    assert [path.name for path in checkpoint_files(tmp_path / "net")] == ["net-symbol.json", "net-0007.params"]
