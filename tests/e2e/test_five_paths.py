"""The same photo gets the same answer on every path that it can take.

1 Lambda to our container    2 embedded    3 evaluation    4 camera    5 Lambda to a built-in container's format

Paths 1 to 3 decode the same bytes with the same code: they are equal to the last digit. A camera has its frame whole,
where a large photo is decoded at a smaller scale, and a built-in container is sent the fitted photo once more:
within TOLERANCE of a probability.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from chalicelib.api.routes import create_app
from chalicelib.domain.ports import EndpointRuntime
from chalicelib.services.suite import Services
from device.runtime.artifact import pack
from device.runtime.image import open_image
from device.runtime.predictor import Predictor
from device.runtime.tensor import frame_to_image
from tests.corpus import OK, corpus
from tests.device.models import BLUE, GREEN, RED, model_folder, png
from tests.e2e.containers import built_in_classifier, sagemaker_in_front_of, serving
from tests.functional.service import Service, promote, running, settings_of
from tests.functional.test_lambda import authorized, gateway_event
from training.datasets.channel import ChannelPhoto
from training.predictions import predict_photos

TOLERANCE = 0.01
Paths = Mapping[str, Callable[[bytes], dict[str, Any]]]


def scene(size: tuple[int, int], colour: tuple[int, int, int]) -> Image.Image:
    """Something in front of something, with edges, a gradient and noise: nothing that survives resizing by luck."""
    noise = Image.effect_noise((size[0] // 8, size[1] // 8), 60).resize(size)
    image = Image.merge("RGB", [Image.blend(noise, Image.new("L", size, level), 0.6) for level in (120, 140, 90)])
    draw = ImageDraw.Draw(image)
    draw.ellipse((size[0] // 6, size[1] // 8, size[0] * 4 // 5, size[1] * 7 // 8), fill=colour)
    draw.rectangle((0, 0, size[0] // 9, size[1] // 3), fill=(15, 15, 15))
    return image


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def turned(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


PHOTOS = {
    "a small png": png(scene((90, 60), RED)),
    "a jpeg": saved(scene((640, 480), GREEN), "JPEG", quality=90),
    "a jpeg of 12 megapixels": saved(scene((4000, 3000), BLUE), "JPEG", quality=90),
    "a jpeg on its side": saved(scene((1600, 900), RED), "JPEG", exif=turned(6)),
    "a webp": saved(scene((800, 600), GREEN), "WEBP", quality=90),
    "a wide png": png(scene((900, 200), BLUE)),
    **{f"corpus: {case.name}": case.body for case in corpus() if case.expected == OK},
}


@dataclass(frozen=True)
class Setting:
    """One model on all five paths."""

    folder: Path
    embedded: Service
    paths: Paths


@pytest.fixture(scope="module")
def setting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Setting]:
    home = tmp_path_factory.mktemp("five-paths")
    folder, built_in = model_folder(home / "ours"), model_folder(home / "theirs", container="image-classification")
    for each in (folder, built_in):
        pack(each, each.with_suffix(".tar.gz"))
    with (
        running(settings_of(home / "embedded")) as embedded,
        running(settings_of(home / "behind-built-in")) as behind_built_in,
        serving(home / "opt-ml", folder, workers=2) as container,
        built_in_classifier(folder / "model.onnx") as classifier,
        sagemaker_in_front_of(container.client, embedded.services.uploads.blobs) as to_container,
        sagemaker_in_front_of(classifier, embedded.services.uploads.blobs) as to_built_in,
    ):
        promote(embedded.client, folder.with_suffix(".tar.gz"))
        promote(behind_built_in.client, built_in.with_suffix(".tar.gz"))
        predictor = Predictor.load(folder, threads=1)
        paths = {
            "container": through_lambda(behind(embedded.services, to_container)),
            "embedded": lambda photo: answered(embedded.client.call("POST", "/classify", photo).body),
            "evaluation": lambda photo: evaluated(predictor, photo, home),
            "camera": lambda photo: seen_by_a_camera(predictor, photo),
            "built-in": through_lambda(behind(behind_built_in.services, to_built_in)),
        }
        yield Setting(folder, embedded, paths)


def behind(services: Services, runtime: EndpointRuntime) -> Services:
    return replace(services, inference=replace(services.inference, runtime=runtime))


def through_lambda(services: Services) -> Callable[[bytes], dict[str, Any]]:
    app = create_app(lambda: services)

    def ask(photo: bytes) -> dict[str, Any]:
        response = app(gateway_event("POST", "/classify", photo, authorized()), None)
        assert response["statusCode"] == 200, response
        return answered(response["body"])

    return ask


def answered(body: bytes | str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(body)
    assert "probabilities" in document, document
    return document


def evaluated(predictor: Predictor, photo: bytes, folder: Path) -> dict[str, Any]:
    path = folder / "photo"
    path.write_bytes(photo)
    (prediction,) = predict_photos(predictor, [ChannelPhoto(path, "landfill")], "")
    return prediction.decision.to_json()


def seen_by_a_camera(predictor: Predictor, photo: bytes) -> dict[str, Any]:
    """The photo as the camera has it: every pixel, BGR."""
    frame = np.asarray(open_image(photo))[:, :, ::-1]
    return predictor.predict_image(frame_to_image(frame)).result.to_json()


@pytest.mark.parametrize("name", PHOTOS)
def test_a_photo_gets_the_same_answer_on_every_path(setting: Setting, name: str) -> None:
    answers = {path: ask(PHOTOS[name]) for path, ask in setting.paths.items()}
    expected = answers["embedded"]
    for path in ("container", "evaluation"):
        assert {**answers[path]["probabilities"]} == expected["probabilities"], path
        assert answers[path]["reasons"] == expected["reasons"], path
    for path in ("camera", "built-in"):
        assert answers[path]["probabilities"] == pytest.approx(expected["probabilities"], abs=TOLERANCE), path
    lead = sorted(expected["probabilities"].values())[-1] - sorted(expected["probabilities"].values())[-2]
    if lead > 2 * TOLERANCE:
        assert {answer["label"] for answer in answers.values()} == {expected["label"]}


def test_the_photos_tell_the_labels_apart(setting: Setting) -> None:
    """Paths that all answer the same whatever they are shown would be equal too."""
    labels = {setting.paths["embedded"](photo)["label"] for photo in PHOTOS.values()}
    assert labels == {"landfill", "compost", "recycling"}


def test_each_path_says_what_it_looked_into_and_whether_it_was_cold(setting: Setting) -> None:
    photo = PHOTOS["a jpeg"]
    container, built_in = setting.paths["container"](photo), setting.paths["built-in"](photo)
    assert container["checks_skipped"] == built_in["checks_skipped"] == ["unlike_training"]
    assert (container["cold"], built_in["cold"]) == (False, None)
    assert container["timings_ms"].keys() >= {"header", "endpoint", "decode", "inference", "total"}
    assert built_in["timings_ms"].keys() >= {"preprocess", "endpoint", "decide", "total"}
    for answer in (container, built_in):
        assert answer["model"]["id"] == "waste-1"
        assert len(answer["prediction_id"]) >= 16
