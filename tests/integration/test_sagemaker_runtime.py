"""What only SageMaker can answer: throttles, cold and missing endpoints, broken answers, nothing at all."""

import io
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from chalicelib.adapters.aws.invocation import MAX_REPLY_BYTES, MAX_TRIES, PAUSE_S, Invocation
from chalicelib.adapters.aws.sagemaker_runtime import SageMakerRuntime
from chalicelib.domain.errors import (
    EndpointFailedError,
    EndpointThrottledError,
    EndpointTimeoutError,
    ModelUnavailableError,
    ProofFailedError,
    TruncatedImageError,
    UnavailableError,
)
from chalicelib.domain.inference import Prediction, ServedModel
from device.runtime.manifest import InputSpec
from device.runtime.predictor import Predictor
from tests.device.models import BLUE, RED, banknotes, jpeg, model_folder, plain, png
from tests.integration.sagemaker_server import Reply, SageMakerServer, answer, container_error, error
from tests.integration.serving import (
    ENDPOINT,
    binsight_container,
    built_in_classifier,
    built_in_detector,
    folder_blobs,
    served_model,
)

PHOTO = png(plain(RED))
GOOD = {
    "answer": {
        "label": "compost",
        "confidence": 0.9,
        "unknown": False,
        "reasons": [],
        "checks_skipped": [],
        "probabilities": {"landfill": 0.1, "compost": 0.9, "recycling": 0.0},
    },
    "timings_ms": {"decode": 1.0, "inference": 2.0},
    "cold": True,
}
THROTTLE = error(400, "ThrottlingException", "Rate exceeded")


@pytest.fixture
def server() -> Iterator[SageMakerServer]:
    with SageMakerServer() as server:
        yield server


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def runtime(server: SageMakerServer, tmp_path: Path, pauses: list[float]) -> SageMakerRuntime:
    invocation = Invocation(server.client_for, pause=pauses.append)
    return SageMakerRuntime(None, None, invocation, folder_blobs(tmp_path))  # it makes no endpoints


@pytest.fixture
def served(tmp_path: Path) -> ServedModel:
    return served_model(model_folder(tmp_path / "waste"), folder_blobs(tmp_path))


def changed(path: str, value: Any, document: dict[str, Any] = GOOD) -> dict[str, Any]:
    copy = json.loads(json.dumps(document))
    place = copy
    *parents, last = path.split(".")
    for name in parents:
        place = place[name]
    place[last] = value
    return copy


class TestInvocations:
    def test_the_photo_goes_out_as_it_came_in(
        self, server: SageMakerServer, runtime: SageMakerRuntime, served: ServedModel
    ) -> None:
        server.replies = [answer(GOOD)]
        for image in (PHOTO, jpeg(plain(BLUE))):
            runtime.predict(served, image, deadline_s=60)
            assert server.asked[-1].body == image
        assert [asked.content_type for asked in server.asked] == ["image/png", "image/jpeg"]
        assert server.asked[0].path == f"/endpoints/{ENDPOINT}/invocations"
        assert server.asked[0].accept == "application/json"

    def test_the_containers_word_is_handed_on_with_its_timings(
        self, server: SageMakerServer, runtime: SageMakerRuntime, served: ServedModel
    ) -> None:
        server.replies = [answer(GOOD)]
        found = runtime.predict(served, PHOTO, deadline_s=60)
        assert found.answer == GOOD["answer"]
        assert found.cold is True
        assert found.timings_ms.keys() == {"decode", "inference", "header", "endpoint"}

    @pytest.mark.parametrize(
        "passing",
        [
            THROTTLE,
            error(429, "TooManyRequests", "slow down"),
            error(503, "ServiceUnavailable"),
            error(500, "InternalFailure"),
            error(530, "InternalDependencyException"),
            error(429, "ModelNotReadyException"),
            Reply(body=b"{", promised_bytes=50),
        ],
    )
    def test_what_passes_is_tried_again(
        self,
        server: SageMakerServer,
        runtime: SageMakerRuntime,
        served: ServedModel,
        pauses: list[float],
        passing: Reply,
    ) -> None:
        server.replies = [passing, passing, answer(GOOD)]
        assert runtime.predict(served, PHOTO, deadline_s=60).answer["label"] == "compost"
        assert len(server.asked) == 3
        assert len(pauses) == 2

    @pytest.mark.parametrize(
        ("refused", "problem"),
        [
            (THROTTLE, EndpointThrottledError),
            (error(429, "TooManyRequests"), EndpointThrottledError),
            (error(503, "ServiceUnavailable"), ModelUnavailableError),
            (error(500, "InternalFailure"), ModelUnavailableError),
        ],
    )
    def test_what_does_not_pass_is_given_up_after_some_tries(
        self,
        server: SageMakerServer,
        runtime: SageMakerRuntime,
        served: ServedModel,
        refused: Reply,
        problem: type[UnavailableError],
    ) -> None:
        server.replies = [refused]
        check_refusal(runtime, served, problem)
        assert len(server.asked) == MAX_TRIES

    def test_pauses_differ_and_grow_to_a_limit(
        self, server: SageMakerServer, runtime: SageMakerRuntime, served: ServedModel, pauses: list[float]
    ) -> None:
        """Callers who were throttled together must not come back together."""
        server.replies = [THROTTLE]
        for _ in range(12):
            check_refusal(runtime, served, EndpointThrottledError)
        tries = [pauses[start :: MAX_TRIES - 1] for start in range(MAX_TRIES - 1)]
        assert len(set(pauses)) == len(pauses) == 12 * (MAX_TRIES - 1)
        limits = [PAUSE_S * 2**tried for tried in range(1, MAX_TRIES)]
        assert all(0 <= pause <= limit for each, limit in zip(tries, limits, strict=True) for pause in each)
        assert sum(tries[-1]) > sum(tries[0])

    @pytest.mark.parametrize(
        ("refused", "problem"),
        [
            (container_error(500, "Traceback ..."), EndpointFailedError),
            (container_error(400, "not JSON"), EndpointFailedError),
            (container_error(400, json.dumps({"reason": "made-up", "detail": "?"})), EndpointFailedError),
            (error(424, "ModelError"), EndpointFailedError),
            (error(400, "ValidationError", f"Endpoint {ENDPOINT} of account 1 not found."), ModelUnavailableError),
            (error(400, "ValidationError", f"Endpoint {ENDPOINT} is Creating"), ModelUnavailableError),
            (error(400, "ValidationError", "Request has exceeded the size limit"), EndpointFailedError),
            (error(403, "AccessDeniedException", "not authorized"), EndpointFailedError),
        ],
    )
    def test_what_no_retry_mends_is_asked_once(
        self,
        server: SageMakerServer,
        runtime: SageMakerRuntime,
        served: ServedModel,
        refused: Reply,
        problem: type[UnavailableError],
    ) -> None:
        server.replies = [refused]
        check_refusal(runtime, served, problem)
        assert len(server.asked) == 1

    def test_a_photo_that_our_container_refuses_is_the_callers_fault(
        self, server: SageMakerServer, runtime: SageMakerRuntime, served: ServedModel
    ) -> None:
        server.replies = [container_error(400, json.dumps({"reason": "truncated-image", "detail": "send it again"}))]
        with pytest.raises(TruncatedImageError, match="send it again"):
            runtime.predict(served, PHOTO, deadline_s=60)


class TestDeadlines:
    def test_an_endpoint_that_hangs_is_left_at_the_deadline(
        self, server: SageMakerServer, runtime: SageMakerRuntime, served: ServedModel
    ) -> None:
        server.replies = [Reply(after_s=3)]
        check_refusal(runtime, served, EndpointTimeoutError, deadline_s=0.9)
        assert len(server.asked) == 1
        assert server.timeouts_s == [0.5]

    def test_a_model_that_is_loading_is_asked_until_the_deadline(
        self, server: SageMakerServer, served: ServedModel, tmp_path: Path
    ) -> None:
        now_s = [0.0]

        def pause(seconds: float) -> None:
            now_s[0] += seconds + 0.5

        invocation = Invocation(server.client_for, timer=lambda: now_s[0], pause=pause)
        runtime = SageMakerRuntime(None, None, invocation, folder_blobs(tmp_path))
        server.replies = [error(429, "ModelNotReadyException", "loading")]
        check_refusal(runtime, served, ModelUnavailableError, deadline_s=25)
        assert len(server.asked) > MAX_TRIES
        assert now_s[0] <= 25.5
        assert server.timeouts_s == sorted(server.timeouts_s, reverse=True)
        assert server.timeouts_s[0] == 24.5

    def test_later_tries_get_what_is_left_of_the_deadline(
        self, server: SageMakerServer, served: ServedModel, tmp_path: Path
    ) -> None:
        now_s = [0.0]

        def pause(seconds: float) -> None:
            now_s[0] += 14

        invocation = Invocation(server.client_for, timer=lambda: now_s[0], pause=pause)
        runtime = SageMakerRuntime(None, None, invocation, folder_blobs(tmp_path))
        server.replies = [THROTTLE, THROTTLE, answer(GOOD)]
        check_refusal(runtime, served, EndpointThrottledError, deadline_s=25)
        assert server.timeouts_s == [24.5, 10.0]

    def test_nobody_listening_is_an_unavailable_model(self, served: ServedModel, tmp_path: Path) -> None:
        server = SageMakerServer()
        with server:
            pass
        runtime = SageMakerRuntime(
            None, None, Invocation(server.client_for, pause=lambda _: None), folder_blobs(tmp_path)
        )
        check_refusal(runtime, served, ModelUnavailableError)


def check_refusal(
    runtime: SageMakerRuntime, served: ServedModel, problem: type[UnavailableError], deadline_s: float = 60
) -> None:
    with pytest.raises(problem, match=ENDPOINT) as caught:
        runtime.predict(served, PHOTO, deadline_s=deadline_s)
    assert caught.value.members["endpoint"] == ENDPOINT
    assert caught.value.members["retry_after_s"] >= 1


class TestAnswersOfOurContainer:
    @pytest.mark.parametrize(
        "document",
        [
            b"",
            b"not JSON",
            b"null",
            b"[]",
            b"[" * 100_000,
            b"1" * 5000,
            b" " * (MAX_REPLY_BYTES + 1),
            {},
            {"answer": GOOD["answer"]},
            changed("cold", "no"),
            changed("timings_ms.decode", -1),
            changed("timings_ms.decode", float("nan")),
            changed("answer.confidence", float("nan")),
            changed("answer.confidence", "0.9"),
            changed("answer.confidence", 0.5),
            changed("answer.label", "glass"),
            changed("answer.label", "landfill"),
            changed("answer.label", "compost\n"),
            changed("answer.label", None),
            changed("answer.unknown", True),
            changed("answer.reasons", "none"),
            changed("answer.probabilities", [0.1, 0.9, 0.0]),
            changed("answer.probabilities", {"landfill": 0.1, "compost": 0.9}),
            changed("answer.probabilities", {"landfill": 0.1, "compost": 0.9, "recycling": 0.0, "glass": 0.0}),
            changed("answer.probabilities", {"landfill": 0.1, "compost": 0.9, "glass": 0.0}),
            changed("answer.probabilities.landfill", 0.3),
            changed("answer.probabilities.landfill", float("nan")),
            changed("answer.probabilities.landfill", -0.1),
            changed("answer.extra", float("inf")),
            json.dumps(GOOD).replace("0.9", "1e999").encode(),
        ],
        ids=str,
    )
    def test_what_cannot_be_an_answer_is_refused_and_names_the_endpoint(
        self, server: SageMakerServer, runtime: SageMakerRuntime, served: ServedModel, document: Any
    ) -> None:
        server.replies = [answer(document)]
        check_refusal(runtime, served, EndpointFailedError)
        assert len(server.asked) == 1

    @pytest.mark.parametrize(
        ("task", "path", "value"),
        [
            ("count", "answer.count", 3),
            ("count", "answer.count", "1"),
            ("count", "answer.interval", [3, 1]),
            ("count", "answer.interval", [1]),
            ("count", "answer.expected_value", float("nan")),
            ("count", "answer.beyond_trained_range", None),
            ("detect", "answer.counts", {"1000": 7, "2000": 1}),
            ("detect", "answer.counts", {"1000": 1}),
            ("detect", "answer.sum", float("inf")),
            ("detect", "answer.detections", [{"label": "1000", "confidence": 0.9}]),
            ("detect", "answer.detections", None),
        ],
    )
    def test_counts_and_boxes_are_checked_too(
        self, server: SageMakerServer, runtime: SageMakerRuntime, tmp_path: Path, task: str, path: str, value: Any
    ) -> None:
        folder = model_folder(tmp_path / task, task)
        photo = png(plain((51, 51, 51)) if task == "count" else banknotes())
        good = Predictor.load(folder).predict(photo).result.to_json()
        document = {"answer": good, "timings_ms": {}, "cold": False}
        served = served_model(folder, folder_blobs(tmp_path))
        server.replies = [answer(document), answer(changed(path, value, document))]
        assert runtime.predict(served, photo, deadline_s=60).answer == good
        with pytest.raises(EndpointFailedError, match=ENDPOINT):
            runtime.predict(served, photo, deadline_s=60)

    def test_a_member_that_a_later_container_adds_is_handed_on(
        self, server: SageMakerServer, runtime: SageMakerRuntime, served: ServedModel
    ) -> None:
        server.replies = [answer(changed("answer.hint", "hold it still"))]
        assert runtime.predict(served, PHOTO, deadline_s=60).answer["hint"] == "hold it still"


class TestBuiltInContainers:
    """The Lambda decodes, fits, measures and decides: what comes out is what our own runtime says."""

    def predict(
        self, runtime: SageMakerRuntime, server: SageMakerServer, folder: Path, tmp_path: Path, photo: bytes
    ) -> tuple[Prediction, dict[str, Any]]:
        predictor = Predictor.load(folder)
        is_detection = predictor.manifest.task == "detect"
        script = built_in_detector(predictor) if is_detection else built_in_classifier(predictor)
        server.replies = [script]
        container = "object-detection" if is_detection else "image-classification"
        served = served_model(folder, folder_blobs(tmp_path), container)
        found = runtime.predict(served, photo, deadline_s=60)
        return found, predictor.predict(photo).result.to_json()

    @pytest.mark.parametrize("fit", ["squash", "crop", "letterbox"])
    @pytest.mark.parametrize(
        ("task", "image"),
        [
            ("classify", plain(RED, (640, 480))),
            ("classify", Image.frombytes("RGB", (301, 97), random.Random(1).randbytes(301 * 97 * 3))),
            ("count", plain((51, 51, 51), (50, 90))),
            ("detect", banknotes()),
            ("detect", banknotes().resize((480, 320))),
        ],
    )
    def test_the_answer_is_that_of_our_own_runtime(
        self, server: SageMakerServer, runtime: SageMakerRuntime, tmp_path: Path, task: str, image: Any, fit: str
    ) -> None:
        spec = {"name": "data", "width": 32, "height": 32, "color_order": "RGB", "layout": "NCHW", "fit": fit}
        folder = model_folder(tmp_path / task, task, input=spec)
        rotated = io.BytesIO()
        exif = Image.Exif()
        exif[0x0112] = 6
        image.save(rotated, "JPEG", quality=95, exif=exif)
        for photo in (png(image), rotated.getvalue()):
            found, expected = self.predict(runtime, server, folder, tmp_path, photo)
            assert found.answer == expected
            assert found.cold is None
            assert "unlike_training" in found.answer["checks_skipped"]
            assert found.timings_ms.keys() == {"preprocess", "endpoint", "decide"}

    def test_what_is_sent_is_lossless_in_the_models_size(
        self, server: SageMakerServer, runtime: SageMakerRuntime, tmp_path: Path
    ) -> None:
        folder = model_folder(tmp_path / "classify")
        self.predict(runtime, server, folder, tmp_path, jpeg(plain(RED, (4000, 3000))))
        sent = Image.open(io.BytesIO(server.asked[0].body))
        assert (sent.format, sent.size, sent.mode) == ("PNG", (32, 32), "RGB")
        assert server.asked[0].content_type == "application/x-image"

    def test_what_is_too_large_as_png_goes_as_jpeg(self, tmp_path: Path) -> None:
        from chalicelib.adapters.aws.wire.photo import MAX_REQUEST_BYTES, fitted

        noise = Image.frombytes("RGB", (1500, 1500), random.Random(1).randbytes(1500 * 1500 * 3))
        spec = InputSpec("data", 1500, 1500, "RGB", "NCHW", "squash")
        photo = fitted(png(noise), spec)
        assert photo.question.content_type == "image/jpeg"
        assert len(photo.question.body) <= MAX_REQUEST_BYTES
        assert Image.open(io.BytesIO(photo.question.body)).size == (1500, 1500)

    @pytest.mark.parametrize(
        "document",
        [
            {},
            {"predictions": []},
            [],
            [0.5, 0.5],
            [0.2, 0.2, 0.2],
            [[0.1, 0.8, 0.1]],
            [0.1, True, 0.1],
            ["0.1", "0.8", "0.1"],
            b"[0.1, NaN, 0.9]",
            b"[0.1, 1e999, 0.9]",
            [10**400, 0, 0],
            [0.1, -0.1, 1.0],
        ],
        ids=lambda value: str(value)[:40],
    )
    def test_a_list_that_is_no_distribution_is_refused(
        self, server: SageMakerServer, runtime: SageMakerRuntime, tmp_path: Path, document: Any
    ) -> None:
        served = served_model(model_folder(tmp_path / "m"), folder_blobs(tmp_path), "image-classification")
        server.replies = [answer(document)]
        check_refusal(runtime, served, EndpointFailedError)

    @pytest.mark.parametrize(
        "rows",
        [
            None,
            {},
            [[]],
            [[0, 0.9, 0, 0, 1]],
            [["0", 0.9, 0, 0, 1, 1]],
            [[0.5, 0.9, 0, 0, 1, 1]],
            [[2, 0.9, 0, 0, 1, 1]],
            [[0, 1.5, 0, 0, 1, 1]],
            [[-2, 0.9, 0, 0, 1, 1]],
            [[0, 10**400, 0, 0, 1, 1]],
            [[0, 0.9, -(10**400), 0, 1, 1]],
            [[0, 0.9, 0.5, 0, 0.4, 1]],
            [[0, 0.9, 0, 0.5, 1, 0.4]],
        ],
        ids=lambda value: str(value)[:40],
    )
    def test_boxes_that_are_none_are_refused(
        self, server: SageMakerServer, runtime: SageMakerRuntime, tmp_path: Path, rows: Any
    ) -> None:
        served = served_model(model_folder(tmp_path / "m", "detect"), folder_blobs(tmp_path), "object-detection")
        server.replies = [answer({"prediction": rows})]
        check_refusal(runtime, served, EndpointFailedError)

    def test_boxes_that_mxnet_has_suppressed_are_left_out(
        self, server: SageMakerServer, runtime: SageMakerRuntime, tmp_path: Path
    ) -> None:
        served = served_model(model_folder(tmp_path / "m", "detect"), folder_blobs(tmp_path), "object-detection")
        server.replies = [answer({"prediction": [[1.0, 0.9, -0.1, 0, 0.5, 1.2], [-1.0, 0.8, 0, 0, 1, 1]]})]
        found = runtime.predict(served, png(banknotes()), deadline_s=60).answer
        assert found["counts"] == {"1000": 0, "2000": 1}
        assert found["detections"][0]["box"] == {"xmin": 0.0, "ymin": 0.0, "xmax": 0.5, "ymax": 1.0}

    @pytest.mark.parametrize(
        ("task", "container"), [("classify", "image-classification"), ("detect", "object-detection")]
    )
    def test_a_built_in_container_proves_the_model_too(
        self, server: SageMakerServer, runtime: SageMakerRuntime, tmp_path: Path, task: str, container: str
    ) -> None:
        folder = model_folder(tmp_path / task, task)
        predictor = Predictor.load(folder)
        script = built_in_detector(predictor) if task == "detect" else built_in_classifier(predictor)
        served = served_model(folder, folder_blobs(tmp_path), container)
        server.replies = [script, answer({"prediction": []} if task == "detect" else [0.0, 1.0, 0.0])]
        runtime.prove(served)
        with pytest.raises(ProofFailedError, match=ENDPOINT):
            runtime.prove(served)


class TestProofs:
    def test_a_stored_artifact_of_another_digest_proves_nothing(
        self, server: SageMakerServer, runtime: SageMakerRuntime, served: ServedModel, tmp_path: Path
    ) -> None:
        path = tmp_path / "files" / "artifacts" / f"{served.digest}.tar.gz"
        path.write_bytes(served_bytes(model_folder(tmp_path / "other", labels_of="other"), tmp_path))
        with pytest.raises(ProofFailedError, match="SHA-256"):
            runtime.prove(served)
        assert server.asked == []

    def test_an_artifact_that_is_gone_proves_nothing(
        self, runtime: SageMakerRuntime, served: ServedModel, tmp_path: Path
    ) -> None:
        (tmp_path / "files" / "artifacts" / f"{served.digest}.tar.gz").unlink()
        with pytest.raises(ProofFailedError):
            runtime.prove(served)

    def test_an_endpoint_that_is_being_made_is_unavailable_not_disproved(
        self, server: SageMakerServer, runtime: SageMakerRuntime, served: ServedModel
    ) -> None:
        server.replies = [error(400, "ValidationError", f"Endpoint {ENDPOINT} of account 1 not found.")]
        with pytest.raises(ModelUnavailableError):
            runtime.prove(served)

    def test_calibration_is_applied_to_what_the_network_is_expected_to_say(
        self, server: SageMakerServer, runtime: SageMakerRuntime, tmp_path: Path
    ) -> None:
        decision = {
            "temperature": 3.0,
            "thresholds": dict.fromkeys(("landfill", "compost", "recycling"), 0.5),
            "ambiguous_margin": 0.1,
            "trained_range": None,
        }
        folder = model_folder(tmp_path / "warm", decision=decision)
        server.replies = [binsight_container(Predictor.load(folder))]
        runtime.prove(served_model(folder, folder_blobs(tmp_path)))


def served_bytes(folder: Path, tmp_path: Path) -> bytes:
    from device.runtime.artifact import pack

    pack(folder, tmp_path / "other.tar.gz")
    return (tmp_path / "other.tar.gz").read_bytes()
