"""The DeepLens' engine: converted on the device, never another model's file, the same answers as everywhere."""

from __future__ import annotations

import importlib
import json
import shutil
from pathlib import Path
from typing import Any, Dict

import pytest

from device.runtime.artifact import describe_files, digest_of, pack
from device.runtime.engines import EngineError, EngineUnavailableError
from device.runtime.engines.awscam_engine import model_name, remove_conversions
from device.runtime.predictor import Predictor
from tests.device.agents import Running, until
from tests.device.models import GREEN, RED, banknotes, manifest_document, model_folder, plain, png
from tests.device.service_stand_in import Service


def camera_model(folder: Path, task: str = "classify", **symbol: Any) -> Path:
    """As training leaves a model that a DeepLens can run: symbol and params beside the ONNX file."""
    model_folder(folder, task, engines=["onnxruntime", "awscam"])
    shutil.copy(str(folder / "model.onnx"), str(folder / "model-0000.params"))
    manifest = json.loads((folder / "manifest.json").read_text())
    if task == "detect":
        symbol = {"multibox": manifest["detection"], "label_base": 0, **symbol}
    (folder / "model-symbol.json").write_text(json.dumps(symbol))
    manifest["files"] = describe_files(folder)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def files_in(folder: Path) -> Dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("color", [RED, GREEN])
def test_a_deeplens_answers_as_every_other_engine(tmp_path: Path, deeplens: Any, color: Any) -> None:
    folder = camera_model(tmp_path / "model")
    other, here = Predictor.load(folder), Predictor.load(folder, "awscam")
    expected, answer = other.predict(png(plain(color))), here.predict(png(plain(color)))
    assert answer.result.label == expected.result.label
    assert answer.probabilities == pytest.approx(expected.probabilities, abs=0.002)


def test_boxes_are_clipped_and_scaled_back_to_the_photo(tmp_path: Path, deeplens: Any) -> None:
    answer = Predictor.load(camera_model(tmp_path / "model", "detect"), "awscam").predict(png(banknotes()))
    found = [(each.label, each.box_px) for each in answer.result.detections]
    assert sorted(label for label, _ in found) == ["1000", "2000"]
    for label, box in found:
        expected = (40, 0, 80, 40) if label == "1000" else (120, 120, 160, 160)
        assert (box.xmin, box.ymin, box.xmax, box.ymax) == pytest.approx(expected, abs=0.5)
    assert answer.result.sum == 3000


def test_the_manifest_says_from_where_labels_count(tmp_path: Path, deeplens: Any) -> None:
    folder = camera_model(tmp_path / "model", "detect", label_base=1)
    document = json.loads((folder / "manifest.json").read_text())
    document["detection"]["label_base"] = 1
    (folder / "manifest.json").write_text(json.dumps(document))
    found = Predictor.load(folder, "awscam").predict(png(banknotes())).result.detections
    assert sorted(each.label for each in found) == ["1000", "2000"]


@pytest.mark.parametrize("base", [0, 1])
def test_rows_that_the_library_left_empty_are_no_boxes(
    tmp_path: Path, deeplens: Any, monkeypatch: pytest.MonkeyPatch, base: int
) -> None:
    folder = camera_model(tmp_path / "model", "detect", label_base=base)
    document = json.loads((folder / "manifest.json").read_text())
    document["detection"]["label_base"] = base
    (folder / "manifest.json").write_text(json.dumps(document))
    empty = {"label": 0, "prob": 0.0, "xmin": 0.0, "ymin": 0.0, "xmax": 0.0, "ymax": 0.0}
    whole = deeplens.Model.parseResult

    def with_empty_rows(model: Any, kind: str, raw: Any) -> Dict[str, Any]:
        return {kind: whole(model, kind, raw)[kind] + [empty] * 3}

    monkeypatch.setattr(deeplens.Model, "parseResult", with_empty_rows)
    found = Predictor.load(folder, "awscam").predict(png(banknotes())).result.detections
    assert sorted(each.label for each in found) == ["1000", "2000"]


@pytest.mark.parametrize("found", [{"label": "none", "prob": 1.0}, {"label": "7", "prob": 1.0}, {"prob": 1.0}])
def test_an_answer_that_is_none_is_the_engines_error(
    tmp_path: Path, deeplens: Any, monkeypatch: pytest.MonkeyPatch, found: Dict[str, Any]
) -> None:
    predictor = Predictor.load(camera_model(tmp_path / "model"), "awscam")
    monkeypatch.setattr(deeplens.Model, "parseResult", lambda model, kind, raw: {kind: [found]})
    with pytest.raises(EngineError, match="awscam"):
        predictor.predict(png(plain(RED)))


def test_the_models_own_self_test_passes(tmp_path: Path, deeplens: Any) -> None:
    for task in ("classify", "detect"):
        Predictor.load(camera_model(tmp_path / task, task), "awscam").self_test()


def test_a_failed_conversion_is_an_error_and_leaves_nothing_to_load(tmp_path: Path, deeplens: Any) -> None:
    optimizer = importlib.import_module("mo")
    optimizer.next_status = 1
    with pytest.raises(EngineError, match="status 1"):
        Predictor.load(camera_model(tmp_path / "model"), "awscam")
    assert not list((tmp_path / "artifacts").glob("*.xml"))


def test_the_name_holds_the_digest_and_a_conversion_is_made_once(tmp_path: Path, deeplens: Any) -> None:
    folder = camera_model(tmp_path / ("a" * 64))
    first, again = Predictor.load(folder, "awscam").engine, Predictor.load(folder, "awscam").engine
    assert model_name(folder) == "binsight-" + "a" * 64
    assert importlib.import_module("mo").asked == ["binsight-" + "a" * 64]
    assert first.ir_digest == again.ir_digest  # type: ignore[attr-defined]


def test_a_stale_or_torn_conversion_is_made_again(tmp_path: Path, deeplens: Any) -> None:
    folder = camera_model(tmp_path / ("a" * 64))
    Predictor.load(folder, "awscam")
    weights = tmp_path / "artifacts" / (model_name(folder) + ".bin")
    weights.write_bytes(weights.read_bytes()[:-9])
    assert Predictor.load(folder, "awscam").predict(png(plain(RED))).result.label == "landfill"
    assert len(importlib.import_module("mo").asked) == 2


def test_another_models_conversion_is_never_picked_up(tmp_path: Path, deeplens: Any) -> None:
    Predictor.load(camera_model(tmp_path / ("a" * 64)), "awscam")
    other = camera_model(tmp_path / ("b" * 64), "count")
    assert Predictor.load(other, "awscam").predict(png(plain((51, 51, 51)))).result.label == "1"


def test_conversions_of_models_that_went_are_removed(tmp_path: Path, deeplens: Any) -> None:
    for name in ("a", "b"):
        Predictor.load(camera_model(tmp_path / (name * 64)), "awscam")
    remove_conversions(["b" * 64])
    left = files_in(tmp_path / "artifacts")
    assert left
    assert all(name.startswith("binsight-" + "b" * 64) for name in left)


def test_what_a_failed_model_left_to_the_converter_does_not_stay(
    tmp_path: Path, deeplens: Any, service: Service
) -> None:
    names = {}
    for name in ("good", "bad"):
        slot = camera_model(tmp_path / name)
        if name == "bad":
            document = json.loads((slot / "selftest.json").read_text())
            document["probabilities"] = [0.0, 0.0, 1.0]
            (slot / "selftest.json").write_text(json.dumps(document))
            manifest = json.loads((slot / "manifest.json").read_text())
            (slot / "manifest.json").write_text(json.dumps({**manifest, "files": describe_files(slot)}))
        pack(slot, tmp_path / (name + ".tar.gz"))
        names[name] = digest_of(tmp_path / (name + ".tar.gz"))
    service.promote(tmp_path / "good.tar.gz", tmp_path / "good")
    with Running(tmp_path / "home", service.stand_in.url, engine="awscam"):
        until(lambda: service.verified)
        service.promote(tmp_path / "bad.tar.gz", tmp_path / "good", deployment="promotion-2")
        until(lambda: "failed" in service.stages)
    left = set(files_in(tmp_path / "artifacts"))
    assert importlib.import_module("mo").asked == ["binsight-" + names["good"], "binsight-" + names["bad"]]
    assert {name[: len("binsight-") + 64] for name in left} == {"binsight-" + names["good"]}


def test_without_a_deeplens_the_engine_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailableError, match="DeepLens"):
        Predictor.load(camera_model(tmp_path / "model"), "awscam")


def test_a_model_that_does_not_name_the_engine_is_refused(tmp_path: Path, deeplens: Any) -> None:
    assert "awscam" not in manifest_document()["engines"]
    with pytest.raises(EngineUnavailableError, match="manifest names"):
        Predictor.load(model_folder(tmp_path / "model"), "awscam")
