"""The starter model that the repository ships, and its card."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from device.runtime.artifact import unpack
from device.runtime.predictor import Predictor
from training.datasets.rendered import render_waste

STARTER = Path(__file__).resolve().parents[2] / "training" / "starter"
ARCHIVE = STARTER / "model.tar.gz"


@pytest.fixture(scope="module")
def figures() -> dict[str, object]:
    document: dict[str, object] = json.loads((STARTER / "metrics.json").read_text())
    return document


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory, figures: dict[str, object]) -> Predictor:
    folder = tmp_path_factory.mktemp("starter") / "model"
    unpack(ARCHIVE, folder, str(figures["digest"]))
    return Predictor.load(folder, threads=1)


def test_it_weighs_two_megabytes_at_the_most() -> None:
    assert ARCHIVE.stat().st_size <= 2_000_000


def test_it_answers_its_own_test_photo(predictor: Predictor) -> None:
    predictor.self_test()


def test_it_runs_on_deeplens_too(predictor: Predictor) -> None:
    assert set(predictor.manifest.engines) == {"onnxruntime", "openvino", "mxnet", "awscam"}


def test_its_macro_recall_over_five_folds_is_what_was_promised(figures: dict[str, dict[str, float]]) -> None:
    measured = figures["cross_validation"]
    assert measured["folds"] == 5
    assert measured["macro_recall"] >= 0.85
    assert measured["macro_recall"] == pytest.approx(np.mean(measured["macro_recall_by_fold"]), abs=1e-4)


def test_the_card_says_what_was_measured_and_where_the_photos_are_from(figures: dict[str, dict[str, float]]) -> None:
    card = (STARTER / "card.md").read_text()
    measured = figures["cross_validation"]
    assert f"**{measured['macro_recall']:.3f}**" in card
    for source in json.loads((STARTER / "sources.json").read_text()):
        assert source["name"] in card
        assert source["licence"] in card


def test_the_recipe_in_the_repository_is_the_one_it_was_trained_with(predictor: Predictor) -> None:
    trained_with = predictor.manifest.training["hyperparameters"]
    recipe = json.loads((STARTER / "recipe.json").read_text())
    assert {name: str(trained_with[name]) for name in recipe} == recipe


@pytest.mark.parametrize("shade", [0, 255], ids=["black", "white"])
def test_a_photo_without_light_or_without_dark_is_unknown(predictor: Predictor, shade: int) -> None:
    photo = io.BytesIO()
    Image.new("RGB", (400, 300), (shade,) * 3).save(photo, "JPEG")
    assert predictor.predict(photo.getvalue()).result.unknown


def test_drawings_of_waste_are_mostly_unknown_to_it(predictor: Predictor) -> None:
    answers = [predictor.predict_image(render_waste("landfill", np.random.default_rng(seed))) for seed in range(20)]
    assert sum(answer.result.unknown for answer in answers) >= 10
