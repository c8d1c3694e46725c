"""The evaluation program on small models that answer without training: what it writes, and beside what."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from chalicelib.domain.distance import distance
from chalicelib.domain.distance import essence as registry_essence
from chalicelib.domain.evaluated_answers import evaluated_answers
from chalicelib.domain.golden import GoldenPhoto, GoldenPool
from chalicelib.domain.inference import Task
from device.runtime.artifact import pack
from device.runtime.predictor import Predictor
from tests.device.models import BLUE, GREEN, RED, banknotes, model_folder, plain, png
from training.evaluate import main
from training.golden import essence, newest_pool

GOLDEN = [plain(RED), plain(GREEN), banknotes(), plain((51, 51, 51))]


def photos(folder: Path, **colors: object) -> Path:
    for label, color in colors.items():
        (folder / label).mkdir(parents=True)
        for number in range(4):
            plain(color, (40 + number, 48)).save(folder / label / f"{label}-{number}.png")
    return folder


def pool(folder: Path, task: str, version: int = 1) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / f"{task}-{version}.zip"
    with zipfile.ZipFile(path, "w") as packed:
        for number, image in enumerate(GOLDEN):
            packed.writestr(f"{task}-{version}-{number:02d}.png", png(image))
    return path


def evaluated(tmp_path: Path, data: Path, out: str = "metrics.json", *more: str) -> Path:
    archive = tmp_path / "model.tar.gz"
    pack(model_folder(tmp_path / "model"), archive)
    path = tmp_path / "out" / out
    assert main(["--model", str(archive), "--data", str(data), "--out", str(path), *more]) == 0
    return path


def test_figures_card_and_contact_sheet_lie_together(tmp_path: Path) -> None:
    data = photos(tmp_path / "data", landfill=RED, compost=GREEN, recycling=RED)
    figures = json.loads(evaluated(tmp_path, data).read_text())
    assert figures["photos"] == 12
    assert figures["accuracy"] == pytest.approx(2 / 3, abs=1e-3)
    assert figures["recall"] == {"landfill": 1.0, "compost": 1.0, "recycling": 0.0}
    assert len(figures["worst"]) == 4
    low, high = figures["intervals_95"]["log_loss"]
    assert low <= figures["log_loss"] <= high
    assert set(figures["intervals_95"]) >= {"accuracy", "macro_recall", "macro_f1", "accuracy_at_90_coverage", "ece"}
    found = {path.name for path in (tmp_path / "out").iterdir()}
    assert found == {"metrics.json", "card.md", "card.html", "mistakes.jpg"}
    assert "Measured on data" in (tmp_path / "out" / "card.md").read_text()


def test_two_evaluations_can_lie_in_one_folder(tmp_path: Path) -> None:
    data = photos(tmp_path / "data", landfill=RED, compost=GREEN, recycling=BLUE)
    evaluated(tmp_path, data, "elsewhere.json")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "elsewhere.json",
        "elsewhere-card.md",
        "elsewhere-card.html",
    }


def test_photos_beyond_the_trained_range_alone_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = photos(tmp_path / "data", **{"7": RED, "9": GREEN})
    archive = tmp_path / "model.tar.gz"
    pack(model_folder(tmp_path / "model", "count"), archive)
    path = tmp_path / "out" / "metrics.json"
    assert main(["--model", str(archive), "--data", str(data), "--out", str(path)]) == 0
    figures = json.loads(path.read_text())
    assert figures["photos"] == 0
    assert figures["beyond_range"]["photos"] == 8
    assert "accuracy" not in figures
    assert "8 photos beyond the trained range" in capsys.readouterr().out
    assert "8 photos show more objects" in (tmp_path / "out" / "card.md").read_text()


def test_photos_that_cannot_be_read_are_no_wrong_labels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "data" / "7").mkdir(parents=True)
    (tmp_path / "data" / "7" / "a.png").write_bytes(b"nothing")
    pack(model_folder(tmp_path / "model", "count"), tmp_path / "model.tar.gz")
    told = ["--model", str(tmp_path / "model.tar.gz"), "--data", str(tmp_path / "data")]
    assert main([*told, "--out", str(tmp_path / "metrics.json")]) == 1
    assert "no photo can be read" in capsys.readouterr().err


def test_the_answers_to_the_pool_are_those_the_registry_takes(tmp_path: Path) -> None:
    data = photos(tmp_path / "data", landfill=RED, compost=GREEN, recycling=BLUE)
    path = evaluated(tmp_path, data, "metrics.json", "--golden-pool", str(pool(tmp_path / "pools", "classify")))
    content = (path.parent / "golden-answers.json").read_bytes()
    ids = tuple(GoldenPhoto(f"classify-1-{number:02d}", "") for number in range(len(GOLDEN)))
    taken = evaluated_answers(GoldenPool("classify-1", Task.CLASSIFY, ids), json.loads(content)["digest"], content)
    assert taken is not None
    assert max(taken["classify-1-00"]["probabilities"], key=taken["classify-1-00"]["probabilities"].get) == "landfill"


@pytest.mark.parametrize("task", ["classify", "count", "detect"])
def test_what_is_kept_of_an_answer_is_what_the_registry_keeps_of_an_endpoints(tmp_path: Path, task: str) -> None:
    predictor = Predictor.load(model_folder(tmp_path / "model", task))
    for image in GOLDEN:
        answer = predictor.predict(png(image))
        told = registry_essence(Task(task), answer.result.to_json())
        assert distance(Task(task), told, essence(answer)) < 1e-9
        assert json.loads(json.dumps(essence(answer))) == json.loads(json.dumps(told))


def test_the_newest_pool_is_the_one_with_the_highest_version(tmp_path: Path) -> None:
    for version in (1, 9, 10):
        pool(tmp_path, "count", version)
    (tmp_path / "count-draft.zip").touch()
    assert newest_pool(tmp_path, "count") == tmp_path / "count-10.zip"
    assert newest_pool(tmp_path, "detect") is None


def test_a_pool_that_is_no_zip_ends_in_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    archive = tmp_path / "model.tar.gz"
    pack(model_folder(tmp_path / "model"), archive)
    data = photos(tmp_path / "data", landfill=RED, compost=GREEN)
    (tmp_path / "pool.zip").write_bytes(b"no zip")
    asked = ["--model", archive, "--data", data, "--out", tmp_path / "m.json", "--golden-pool", tmp_path / "pool.zip"]
    assert main([str(each) for each in asked]) == 1
    assert "evaluation failed" in capsys.readouterr().err


def test_the_picture_of_a_mistake_is_upright_and_small(tmp_path: Path) -> None:
    data = photos(tmp_path / "data", landfill=RED, recycling=GREEN)
    large = Image.new("RGB", (900, 300), GREEN)
    large.save(data / "landfill" / "large.jpg")
    evaluated(tmp_path, data)
    with Image.open(tmp_path / "out" / "mistakes.jpg") as sheet:
        assert max(sheet.size) < 1000
