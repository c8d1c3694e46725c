from __future__ import annotations

import json
import threading
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Dict, List

import numpy as np
import pytest

from device.runtime.decision import ModelOutputError
from device.runtime.engines import Engine
from device.runtime.image_header import ImageTooLargeError, NotAnImageError
from device.runtime.manifest import Manifest, ManifestError
from device.runtime.predictor import Predictor
from device.runtime.self_test import SelfTestError, self_test_detections
from tests.corpus.case import encoded
from tests.device.models import BLUE, DATA, GREEN, RED, banknotes, jpeg, model_folder, plain, png


def load(tmp_path: Path, task: str = "classify", **options: Any) -> Predictor:
    return Predictor.load(model_folder(tmp_path / "model", task, **options), threads=1)


@pytest.mark.parametrize(("color", "label"), [(RED, "landfill"), (GREEN, "compost"), (BLUE, "recycling")])
def test_a_photo_is_classified(tmp_path: Path, color: Any, label: str) -> None:
    answer = load(tmp_path).predict(jpeg(plain(color, (200, 100)), quality=95))
    assert answer.result.label == label
    assert not answer.result.unknown
    assert set(answer.timings_ms) == {"decode", "preprocess", "inference", "decide"}
    assert sum(answer.probabilities) == pytest.approx(1)


@pytest.mark.parametrize("count", range(6))
def test_a_photo_is_counted(tmp_path: Path, count: int) -> None:
    wide = dict({"references": None, "fill": None},
                brightness=[0, 255], contrast=[0, 100], sharpness=[0, 100], aspect=[1, 1])  # fmt: skip
    grey = round(count * 51)
    answer = load(tmp_path, "count", scene=wide).predict(png(plain((grey, grey, grey))))
    assert answer.result.to_json()["count"] == count
    assert answer.result.to_json()["interval"] == [count, count]


def test_banknotes_are_found_and_summed(tmp_path: Path) -> None:
    found = load(tmp_path, "detect").predict(png(banknotes())).result.to_json()
    assert found["counts"] == {"1000": 1, "2000": 1}
    assert found["sum"] == 3000
    by_label = {each["label"]: each["box_px"] for each in found["detections"]}
    assert by_label["1000"] == {"xmin": 40, "ymin": 0, "xmax": 80, "ymax": 40}
    assert by_label["2000"] == {"xmin": 120, "ymin": 120, "xmax": 160, "ymax": 160}


def test_pixels_are_those_of_the_original_where_the_photo_was_decoded_at_a_smaller_scale(tmp_path: Path) -> None:
    large = banknotes().resize((2400, 1600))
    found = load(tmp_path, "detect").predict(jpeg(large, quality=95)).result.to_json()
    by_label = {each["label"]: each["box_px"] for each in found["detections"]}
    assert by_label["2000"] == {"xmin": 1800, "ymin": 1200, "xmax": 2400, "ymax": 1600}


def test_boxes_of_a_turned_photo_are_those_that_people_see(tmp_path: Path) -> None:
    from PIL import Image

    upright = banknotes().resize((320, 160))
    exif = Image.Exif()
    exif[0x0112] = 6
    body = encoded(upright.transpose(Image.Transpose.ROTATE_90), "JPEG", quality=95, exif=exif.tobytes())
    found = load(tmp_path, "detect").predict(body).result.to_json()
    by_label = {each["label"]: each["box_px"] for each in found["detections"]}
    assert by_label["1000"] == {"xmin": 80, "ymin": 0, "xmax": 160, "ymax": 40}


def test_a_frame_and_the_same_photo_get_the_same_answer(tmp_path: Path) -> None:
    predictor = load(tmp_path)
    image = plain((200, 90, 40), (320, 240))
    assert predictor.predict_image(image).probabilities == predictor.predict(png(image)).probabilities


def test_features_far_from_the_references_are_unlike_training(tmp_path: Path) -> None:
    predictor = load(tmp_path, references=[[1, 0, 0], [0, 1, 0]])
    red, blue = predictor.predict(png(plain(RED))), predictor.predict(png(plain(BLUE)))
    assert red.result.reasons == ()
    assert red.distance == pytest.approx(0, abs=0.01)
    assert blue.result.reasons == ("unlike_training",)
    assert blue.distance == pytest.approx(1, abs=0.2)


def test_a_dark_photo_is_too_dark(tmp_path: Path) -> None:
    assert "too_dark" in load(tmp_path).predict(png(plain((6, 2, 2)))).result.reasons


@pytest.mark.parametrize("task", ["classify", "count", "detect"])
def test_a_model_answers_its_own_test_photo(tmp_path: Path, task: str) -> None:
    options = {"scene": None} if task == "count" else {}
    document = read(model_folder(tmp_path / "made", task, **options))
    if task == "count":
        document["probabilities"] = Predictor.load(tmp_path / "made").predict(
            png(plain((51, 51, 51)))
        ).probabilities  # fmt: skip
        write(tmp_path / "made", document)
    Predictor.load(tmp_path / "made").self_test()


def read(folder: Path) -> Dict[str, Any]:
    document: Dict[str, Any] = json.loads((folder / "selftest.json").read_text(encoding="utf-8"))
    return document


def write(folder: Path, document: Any) -> None:
    (folder / "selftest.json").write_text(json.dumps(document), encoding="utf-8")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"probabilities": [0.5, 0.25, 0.25]}, "the answer differs by 0.49"),
        ({"probabilities": [0.5, 0.5]}, "3 probabilities, not 2"),
        ({"probabilities": None}, "probabilities: must be a list"),
        ({"image_png_base64": "!"}, "cannot be read"),
        ({"image_png_base64": "aGVsbG8="}, "fails on its own photo"),
        ({"tolerance": -1}, "tolerance: must be"),
    ],
)
def test_a_wrong_answer_to_the_test_photo_is_told(tmp_path: Path, changes: Any, message: str) -> None:
    folder = model_folder(tmp_path / "model")
    write(folder, dict(read(folder), **changes))
    with pytest.raises(SelfTestError, match=message):
        Predictor.load(folder).self_test()


@pytest.mark.parametrize(
    ("position", "changes", "message"),
    [
        (0, {"label": "2000"}, "no box answers the expected 2000"),
        (0, {"confidence": 0.5}, "no box answers the expected 1000"),
        (0, {"box": {"xmin": 0, "ymin": 0, "xmax": 0.5, "ymax": 0.5}}, "no box answers"),
        (0, None, "1 boxes that are not expected, the first 1000"),
    ],
)
def test_wrong_boxes_on_the_test_photo_are_told(tmp_path: Path, position: int, changes: Any, message: str) -> None:
    folder = model_folder(tmp_path / "model", "detect")
    document = read(folder)
    if changes is None:
        del document["detections"][position]
    else:
        document["detections"][position].update(changes)
    write(folder, document)
    with pytest.raises(SelfTestError, match=message):
        Predictor.load(folder).self_test()


def test_a_packager_s_own_detections_pass_the_self_test(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "model", "detect")
    predictor = Predictor.load(folder)
    found = predictor.predict(png(banknotes())).result
    write(folder, dict(read(folder), detections=self_test_detections(found.detections)))  # type: ignore[union-attr]
    predictor.self_test()


def test_a_model_without_a_test_photo_says_so(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "model")
    (folder / "selftest.json").unlink()
    with pytest.raises(SelfTestError, match=r"selftest\.json: cannot be read"):
        Predictor.load(folder).self_test()


def test_what_is_no_image_is_refused_and_the_predictor_serves_on(tmp_path: Path) -> None:
    predictor = load(tmp_path)
    with pytest.raises(NotAnImageError):
        predictor.predict(b"hello")
    with pytest.raises(ImageTooLargeError):
        predictor.predict(png(plain(RED, (64, 64))), max_pixels=1000)
    assert predictor.predict(png(plain(RED))).result.label == "landfill"


def test_one_predictor_serves_several_threads(tmp_path: Path) -> None:
    predictor = load(tmp_path, references=[[1, 0, 0], [0, 1, 0], [0, 0, 1]])
    photos = {"landfill": png(plain(RED)), "compost": png(plain(GREEN)), "recycling": png(plain(BLUE))}
    wrong: List[str] = []

    def ask(label: str) -> None:
        for _ in range(40):
            if predictor.predict(photos[label]).result.label != label:
                wrong.append(label)

    threads = [threading.Thread(target=ask, args=(label,)) for label in photos for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_scene_measured_beside_the_fitting_is_the_same(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "model", "classify", references=[[1, 0, 0]])
    photo = jpeg(plain((150, 90, 40), (320, 200)), quality=90)
    alone = Predictor.load(folder, threads=1).predict(photo)
    with ThreadPoolExecutor(1) as pool:
        beside = Predictor.load(folder, threads=1, beside=pool).predict(photo)
    assert (beside.scene, beside.result) == (alone.scene, alone.result)
    assert pool._threads, "nothing was measured beside"


class AfterTheEngine(Executor):
    """Has nothing done before the engine has run."""

    def __init__(self) -> None:
        self.waiting: List[Any] = []

    def submit(self, work: Any, *arguments: Any) -> Any:  # type: ignore[override]
        future: Future[Any] = Future()
        self.waiting.append(lambda: future.set_result(work(*arguments)))
        future.result = lambda timeout=None: Future.result(future, 0)  # type: ignore[method-assign]
        return future


def test_the_engine_does_not_wait_for_the_scene(tmp_path: Path, monkeypatch: Any) -> None:
    beside = AfterTheEngine()
    predictor = Predictor.load(model_folder(tmp_path / "model", "classify"), threads=1, beside=beside)
    run = predictor.engine.run

    def run_then_measure(tensor: Any) -> Any:
        outputs = run(tensor)
        beside.waiting.pop()()
        return outputs

    monkeypatch.setattr(predictor.engine, "run", run_then_measure)
    assert predictor.predict(jpeg(plain(RED, (320, 200)), quality=90)).scene.aspect == 1.6


class StrangeEngine(Engine):
    """Answers whatever it is given."""

    name = "strange"

    def __init__(self, answer: Dict[str, Any]) -> None:
        self.answer = answer

    @classmethod
    def load(cls, folder: Path, manifest: Manifest, threads: Any) -> Any:
        raise NotImplementedError

    @property
    def version(self) -> str:
        return "0"

    def run(self, tensor: Any) -> Dict[str, Any]:
        return self.answer

    def close(self) -> None:
        self.answer = {}


@pytest.mark.parametrize(
    ("probabilities", "features", "reason"),
    [
        ([0.5, 0.5], [1, 0, 0], "wrong-length"),
        ([np.nan, 0.5, 0.5], [1, 0, 0], "not-finite"),
        ([3.0, -1.0, -1.0], [1, 0, 0], "not-probabilities"),
        ([1, 0, 0], [np.nan, 0, 0], "not-finite"),
        ([1, 0, 0], [1, 0], "not-finite"),
    ],
)
def test_strange_answers_of_a_network_are_refused(
    probabilities: Any, features: Any, reason: str, tmp_path: Path
) -> None:
    folder = model_folder(tmp_path / "model", references=[[1, 0, 0]])
    loaded = Predictor.load(folder)
    engine = StrangeEngine({"prob": np.array([probabilities]), "features": np.array([features])})
    predictor = Predictor(loaded.manifest, engine, folder, np.eye(3, dtype=np.float32)[:1])
    with pytest.raises(ModelOutputError) as refused:
        predictor.predict(png(plain(RED)))
    assert refused.value.reason == reason


@pytest.mark.parametrize("vectors", [np.zeros((2, 4)), np.full((2, 3), np.nan)])
def test_references_that_are_not_as_the_manifest_says_are_refused(tmp_path: Path, vectors: Any) -> None:
    folder = model_folder(tmp_path / "model", references=[[1, 0, 0], [0, 1, 0]])
    np.save(str(folder / "references.npy"), vectors)
    with pytest.raises(ManifestError, match=r"references\.npy: must hold \(2, 3\) finite numbers"):
        Predictor.load(folder)


def test_references_are_never_unpickled(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "model", references=[[1, 0, 0], [0, 1, 0]])
    np.save(str(folder / "references.npy"), np.array([{"a": 1}, None], dtype=object))
    with pytest.raises(ManifestError, match="cannot be read"):
        Predictor.load(folder)


def test_the_networks_of_the_tests_are_small() -> None:
    assert all(path.stat().st_size < 4096 for path in DATA.glob("*.onnx"))


def test_a_large_frame_keeps_the_pixels_of_its_own_size(tmp_path: Path) -> None:
    found = load(tmp_path, "detect").predict_image(banknotes().resize((2400, 1600))).result.to_json()
    by_label = {each["label"]: each["box_px"] for each in found["detections"]}
    assert by_label["1000"] == {"xmin": 600, "ymin": 0, "xmax": 1200, "ymax": 400}
