"""Contrast is enhanced inside the network: what training does to a photo, serving does, too."""

from pathlib import Path

import numpy as np
import pytest

mx = pytest.importorskip("training.mxnet_import", reason="MXNet is not installed here", exc_type=ImportError).mx

from training.export import ExportRequest, export  # noqa: E402
from training.inference import load_weights  # noqa: E402
from training.layout import TrainingError  # noqa: E402
from training.networks.small import evened, normalization_parameters, small_features  # noqa: E402
from training.objective import classification_head  # noqa: E402
from training.settings import TrainSettings  # noqa: E402

SIDE = 32


def photo(mean: float, deviation: float) -> np.ndarray:
    noise = np.random.RandomState(0).normal(0, 1, (1, 3, SIDE, SIDE))
    return (mean + deviation * (noise - noise.mean()) / noise.std()).astype(np.float32)


def answer(symbol, data: np.ndarray) -> np.ndarray:
    executor = symbol.simple_bind(mx.cpu(), grad_req="null", data=data.shape)
    return executor.forward(is_train=False, data=mx.nd.array(data))[0].asnumpy()


def test_a_dull_photo_and_a_strong_one_of_the_same_scene_become_the_same() -> None:
    dull, strong = (answer(evened(mx.sym.Variable("data")), photo(*light)) for light in ((40, 12), (150, 60)))
    assert strong.std() == pytest.approx(58, abs=0.5)
    assert strong.mean() == pytest.approx(117, abs=0.5)
    assert np.abs(dull - strong).max() < 0.1 * np.abs(strong).max()


def test_a_photo_without_contrast_stays_without() -> None:
    flat = answer(evened(mx.sym.Variable("data")), np.full((1, 3, SIDE, SIDE), 80, dtype=np.float32))
    assert flat == pytest.approx(np.full_like(flat, 117))


@pytest.mark.filterwarnings("ignore::DeprecationWarning:onnx.*", "ignore::DeprecationWarning:mxnet.*")  # theirs
def test_the_served_network_enhances_it_as_the_trained_one_did(tmp_path: Path) -> None:
    ort = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed here")
    settings = TrainSettings(image_size=SIDE, channels="16,16", depths="1,1", contrast=1)
    symbol = classification_head(small_features(settings, mx.sym.Variable("data")), 2).answer
    shapes, _, states = symbol.infer_shape(data=(1, 3, SIDE, SIDE))
    rng = np.random.RandomState(1)
    weights = dict(zip(symbol.list_arguments(), (rng.normal(0, 0.3, shape) for shape in shapes), strict=True))
    weights |= dict(zip(symbol.list_auxiliary_states(), (np.ones(shape) for shape in states), strict=True))
    del weights["data"], weights["prob_label"]
    weights |= load_weights(*normalization_parameters([117.0] * 3, [58.0] * 3))
    request = ExportRequest(
        symbol,
        {name: value.astype(np.float32) for name, value in weights.items()},
        "data",
        (1, 3, SIDE, SIDE),
        ("prob",),
    )
    photos = np.clip(np.concatenate([photo(40, 12), photo(150, 40)]), 0, 255).astype(np.uint8).transpose(0, 2, 3, 1)
    export(request, photos, tmp_path)
    with np.load(tmp_path / "mxnet-answers.npz") as stored:
        session = ort.InferenceSession(str(tmp_path / "model.onnx"), providers=["CPUExecutionProvider"])
        for index, expected in enumerate(stored["prob"]):
            asked = photos[index : index + 1].transpose(0, 3, 1, 2).astype(np.float32)
            assert session.run(["prob"], {"data": asked})[0][0] == pytest.approx(expected, abs=1e-4)


def test_detection_has_no_such_setting() -> None:
    with pytest.raises(TrainingError, match="not for detection"):
        TrainSettings(task="detect", contrast=1).checked()
