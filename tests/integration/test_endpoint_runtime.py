"""The port EndpointRuntime in this process and on SageMaker: the same photo has the same answer."""

import json
import random
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from chalicelib.adapters.aws.account import Account
from chalicelib.adapters.aws.clients import service_quotas_client
from chalicelib.adapters.aws.endpoints import Endpoints, EndpointSite
from chalicelib.adapters.aws.invocation import Invocation
from chalicelib.adapters.aws.sagemaker_runtime import SageMakerRuntime
from chalicelib.adapters.embedded.runtime import InProcessRuntime
from chalicelib.domain.errors import (
    EmptyImageError,
    ImageTooLargeError,
    ImageTooSmallError,
    InvalidImageError,
    NotAnImageError,
    ProofFailedError,
    TruncatedImageError,
    UnsupportedImageError,
)
from chalicelib.domain.inference import ServedModel
from chalicelib.domain.ports import EndpointRuntime, EndpointState
from device.runtime.predictor import Predictor
from tests.device.models import BLUE, GREEN, RED, banknotes, jpeg, model_folder, plain, png
from tests.integration.conftest import REGION
from tests.integration.sagemaker_server import SageMakerServer
from tests.integration.serving import binsight_container, folder_blobs, served_model

SITE = EndpointSite(REGION, "bucket", "arn:aws:iam::123456789012:role/sagemaker", "our.image/binsight:1")
DEADLINE_S = 20.0


@dataclass(frozen=True)
class Live:
    """A model that answers, and the predictor that says how it should."""

    runtime: EndpointRuntime
    served: ServedModel
    predictor: Predictor

    def predict(self, image: bytes) -> Any:
        return self.runtime.predict(self.served, image, deadline_s=DEADLINE_S)


Start = Callable[..., Live]


@pytest.fixture(params=["embedded", "sagemaker"])
def start(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Start]:
    blobs = folder_blobs(tmp_path)

    def make(task: str = "classify", folder: Path | None = None) -> tuple[ServedModel, Predictor]:
        folder = folder or model_folder(tmp_path / task, task)
        return served_model(folder, blobs), Predictor.load(folder)

    def embedded(*args: Any) -> Live:
        served, predictor = make(*args)
        return Live(InProcessRuntime(blobs, tmp_path / "cache"), served, predictor)

    if request.param == "embedded":
        yield embedded
        return
    client = request.getfixturevalue("aws").sagemaker
    with SageMakerServer() as server:

        def sagemaker(*args: Any) -> Live:
            served, predictor = make(*args)
            server.replies = [binsight_container(predictor)]
            endpoints = Endpoints(client, SITE)
            account = Account(client, service_quotas_client(REGION))
            runtime = SageMakerRuntime(endpoints, account, Invocation(server.client_for), blobs)
            return Live(runtime, served, predictor)

        yield sagemaker


def noisy(size: tuple[int, int]) -> Image.Image:
    return Image.frombytes("RGB", size, random.Random(7).randbytes(size[0] * size[1] * 3))


class TestPredictions:
    @pytest.mark.parametrize(
        ("task", "image"),
        [
            ("classify", png(plain(RED))),
            ("classify", jpeg(plain(GREEN, (640, 480)))),
            ("classify", jpeg(noisy((300, 200)))),
            ("count", png(plain((51, 51, 51)))),
            ("detect", png(banknotes())),
            ("detect", png(plain(BLUE))),
        ],
    )
    def test_the_answer_is_the_predictors_own(self, start: Start, task: str, image: bytes) -> None:
        live = start(task)
        found = live.predict(image)
        assert found.answer == live.predictor.predict(image).result.to_json()
        assert all(value >= 0 for value in found.timings_ms.values())
        assert {"decode", "preprocess", "inference", "decide"} <= found.timings_ms.keys()
        assert isinstance(found.cold, bool)

    def test_a_photo_over_what_endpoints_take_has_the_same_answer(self, start: Start) -> None:
        live = start("detect")
        image = png(noisy((1300, 1100)))
        assert len(image) > 4_000_000
        found, expected = live.predict(image).answer, live.predictor.predict(image).result.to_json()
        assert found["counts"] == expected["counts"]
        assert found["label"] == expected["label"]

    @pytest.mark.parametrize(
        ("image", "problem"),
        [
            (b"", (EmptyImageError, NotAnImageError)),
            (b"certainly not an image, whatever its name", NotAnImageError),
            (b"GIF89a" + bytes(100), UnsupportedImageError),
            (png(plain(RED, (31, 64))), ImageTooSmallError),
            (jpeg(noisy((400, 400)))[:9000], TruncatedImageError),
            (png(noisy((400, 400)))[:90_000], TruncatedImageError),
        ],
    )
    def test_a_photo_that_is_none_is_the_callers_fault(
        self, start: Start, image: bytes, problem: type[InvalidImageError]
    ) -> None:
        with pytest.raises(problem):
            start().predict(image)

    def test_a_bomb_is_refused_by_its_header(self, start: Start) -> None:
        header = b"IHDR" + (60_000).to_bytes(4, "big") * 2 + b"\x08\x02\x00\x00\x00"
        chunk = (13).to_bytes(4, "big") + header + zlib.crc32(header).to_bytes(4, "big")
        with pytest.raises(ImageTooLargeError, match="60000"):
            start().predict(b"\x89PNG\r\n\x1a\n" + chunk + (9).to_bytes(4, "big") + b"IDAT" + bytes(13))


class TestEndpoints:
    def test_an_endpoint_is_made_proved_and_removed(self, start: Start) -> None:
        live = start()
        assert live.runtime.describe(live.served.endpoint).state is EndpointState.ABSENT
        live.runtime.create(live.served, {})
        live.runtime.create(live.served, {})
        assert live.runtime.describe(live.served.endpoint).state is EndpointState.IN_SERVICE
        live.runtime.prove(live.served)
        live.runtime.delete(live.served.endpoint)
        live.runtime.delete(live.served.endpoint)
        assert live.runtime.describe(live.served.endpoint).state is EndpointState.ABSENT

    @pytest.mark.parametrize("task", ["classify", "count", "detect"])
    def test_a_model_of_every_task_proves_itself(self, start: Start, task: str) -> None:
        live = start(task)
        live.runtime.prove(live.served)

    @pytest.mark.parametrize(
        ("task", "change"),
        [
            ("classify", {"probabilities": [0.1, 0.8, 0.1]}),
            ("classify", {"probabilities": [0.5, 0.5]}),
            ("classify", {"image_png_base64": "no base64!"}),
            ("classify", {"tolerance": "much"}),
            ("count", {"probabilities": [0.9, 0.1, 0, 0, 0, 0]}),
            ("detect", {"detections": []}),
        ],
    )
    def test_a_model_that_answers_its_own_photo_otherwise_is_not_proved(
        self, start: Start, tmp_path: Path, task: str, change: dict[str, Any]
    ) -> None:
        folder = model_folder(tmp_path / "tampered", task)
        change_self_test(folder, change)
        live = start(task, folder)
        with pytest.raises(ProofFailedError):
            live.runtime.prove(live.served)


def change_self_test(folder: Path, change: dict[str, Any]) -> None:
    from device.runtime.artifact import describe_files

    path = folder / "selftest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"files": describe_files(folder)}))
