"""`serve` as SageMaker runs it: a process, its port, its model's folder, and the SageMaker adapter in front of it."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from chalicelib.adapters.aws.sagemaker_runtime import SageMakerRuntime
from chalicelib.adapters.embedded.folder_blobs import FolderBlobs
from chalicelib.adapters.image_problems import BY_REASON
from chalicelib.domain.errors import EndpointFailedError, InvalidImageError
from chalicelib.domain.inference import ServedModel, Task
from device.runtime.manifest import read_manifest
from device.runtime.predictor import Predictor
from tests.corpus import OK, Case, corpus
from tests.device.models import BLUE, GREEN, RED, banknotes, jpeg, model_folder, plain, png
from tests.e2e.containers import START_S, STOP_S, Container, sagemaker_in_front_of, serving, start, wait_for
from tests.functional.service import free_port

WORKERS = 2
PHOTOS = {"classify": jpeg(plain(GREEN, (640, 480))), "count": png(plain((51, 51, 51))), "detect": png(banknotes())}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return model_folder(tmp_path_factory.mktemp("container") / "unpacked")


@pytest.fixture(scope="module")
def container(tmp_path_factory: pytest.TempPathFactory, model: Path) -> Iterator[Container]:
    with serving(tmp_path_factory.mktemp("opt-ml"), model, WORKERS) as running:
        yield running


@pytest.fixture(scope="module")
def adapter(container: Container, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SageMakerRuntime]:
    with sagemaker_in_front_of(container.client, no_blobs(tmp_path_factory.mktemp("blobs"))) as runtime:
        yield runtime


def no_blobs(folder: Path) -> FolderBlobs:
    return FolderBlobs(folder, "http://127.0.0.1", b"key", lambda: 0.0)


def served(model: Path, task: Task = Task.CLASSIFY) -> ServedModel:
    return ServedModel("waste-abc", "waste-1", 1, "d" * 64, task, "binsight", read_manifest(model).raw)


def test_only_the_first_photo_of_the_container_finds_it_cold(container: Container) -> None:
    answers = [container.invoke(PHOTOS["classify"]).json()["cold"] for _ in range(8)]
    assert answers == [True] + [False] * 7


def test_a_photo_is_answered_as_the_runtime_answers_it(container: Container, model: Path) -> None:
    expected = Predictor.load(model, threads=1).predict(PHOTOS["classify"]).result.to_json()
    answer = container.invoke(PHOTOS["classify"], "image/jpeg")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["answer"] == expected
    assert answer.json()["timings_ms"].keys() == {"decode", "preprocess", "inference", "decide"}


@pytest.mark.parametrize("task", list(Task), ids=lambda task: task.value)
def test_the_adapter_hands_on_the_containers_answer_of_every_task(tmp_path: Path, task: Task) -> None:
    model = model_folder(tmp_path / "unpacked", task.value)
    expected = Predictor.load(model, threads=1).predict(PHOTOS[task.value]).result.to_json()
    with (
        serving(tmp_path / "ml", model) as container,
        sagemaker_in_front_of(container.client, no_blobs(tmp_path / "blobs")) as adapter,
    ):
        prediction = adapter.predict(served(model, task), PHOTOS[task.value], deadline_s=60)
    assert prediction.answer == expected
    assert prediction.cold is True
    assert prediction.timings_ms.keys() >= {"header", "endpoint", "decode", "inference"}


@pytest.mark.parametrize("case", corpus(), ids=lambda case: case.name)
def test_odd_and_hostile_photos_end_in_the_same_errors_as_embedded(
    adapter: SageMakerRuntime, model: Path, case: Case
) -> None:
    if case.expected == OK:
        assert adapter.predict(served(model), case.body, deadline_s=60).answer["label"] in {
            label["name"] for label in served(model).manifest["labels"]
        }
        return
    with pytest.raises(InvalidImageError) as refused:
        adapter.predict(served(model), case.body, deadline_s=60)
    assert type(refused.value) is BY_REASON[case.expected]


@pytest.mark.parametrize("case", [each for each in corpus() if each.expected != OK], ids=lambda case: case.name)
def test_the_container_itself_refuses_what_no_lambda_looked_at(container: Container, case: Case) -> None:
    answer = container.invoke(case.body)
    assert (answer.status, answer.json()["reason"]) == (400, case.expected)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == f"urn:binsight:problem:{case.expected}"


def test_a_phone_photo_over_serverless_four_megabytes_is_answered_all_the_same(
    adapter: SageMakerRuntime, model: Path
) -> None:
    noise = random.Random(0).randbytes(2400 * 1800 * 3)
    photo = jpeg(Image.frombytes("RGB", (2400, 1800), noise), quality=95)
    assert len(photo) > 4_000_000
    prediction = adapter.predict(served(model), photo, deadline_s=60)
    alone = Predictor.load(model, threads=1).predict(photo).result.to_json()
    assert prediction.answer["probabilities"] == pytest.approx(alone["probabilities"], abs=0.02)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/ping", 200), ("HEAD", "/ping", 200), ("POST", "/ping", 404), ("GET", "/invocations", 405),
     ("POST", "/", 404)],
)  # fmt: skip
def test_two_paths_and_no_others(container: Container, method: str, path: str, status: int) -> None:
    assert container.client.call(method, path).status == status


def test_a_chunked_photo_is_read_whole(container: Container) -> None:
    photo = PHOTOS["classify"]
    chunks = iter([photo[start : start + 500] for start in range(0, len(photo), 500)])
    assert container.client.call("POST", "/invocations", chunks).json()["answer"]["label"] == "compost"


def test_a_body_larger_than_any_photo_is_refused_and_the_connection_goes_on(container: Container) -> None:
    connection = container.client.connect()
    refused = container.client.call("POST", "/invocations", bytes(26 * 1024 * 1024), connection=connection)
    assert (refused.status, refused.json()["reason"]) == (413, "payload-too-large")
    answer = container.client.call("POST", "/invocations", PHOTOS["classify"], connection=connection)
    assert answer.json()["answer"]["label"] == "compost"
    connection.close()


def test_as_many_workers_as_asked_for_and_a_killed_one_is_started_again(container: Container) -> None:
    before = container.children
    assert len(before) == WORKERS
    os.kill(before[0], signal.SIGKILL)
    wait_for(lambda: len(container.children) == WORKERS and before[0] not in container.children)
    wait_for(lambda: _is_answered(container))
    assert container.invoke(jpeg(plain(RED))).json()["answer"]["label"] == "landfill"


def _is_answered(container: Container) -> bool:
    try:
        return container.invoke(jpeg(plain(BLUE))).status == 200
    except OSError:
        return False


def test_sigterm_ends_it_after_every_photo_that_was_sent_before(tmp_path: Path, model: Path) -> None:
    photo = jpeg(plain(RED, (1600, 1200)))
    with serving(tmp_path, model) as container:
        (worker,) = container.children
        # Nobody takes the connections that the kernel makes meanwhile.
        os.kill(worker, signal.SIGSTOP)
        connections = [container.client.connect() for _ in range(12)]
        for connection in connections:
            connection.request("POST", "/invocations", photo)
        container.process.terminate()
        wait_for(lambda: _is_told_to_end(worker))
        os.kill(worker, signal.SIGCONT)
        statuses = [connection.getresponse().status for connection in connections]
        assert container.process.wait(STOP_S) == 0
        for connection in connections:
            connection.close()
    assert statuses == [200] * len(connections)


def _is_told_to_end(process: int) -> bool:
    status = Path(f"/proc/{process}/status").read_text()
    (waiting,) = (line.split()[1] for line in status.splitlines() if line.startswith("ShdPnd:"))
    return bool(int(waiting, 16) >> (signal.SIGTERM - 1) & 1)


@pytest.mark.parametrize("fault", ["no model", "a changed file"])
def test_a_model_that_cannot_be_served_ends_it_with_a_sentence(tmp_path: Path, model: Path, fault: str) -> None:
    process = start(tmp_path, None if fault == "no model" else model, free_port())
    if fault == "a changed file":
        process.kill()
        process.communicate()
        (tmp_path / "model" / "model.onnx").write_bytes(b"not a network")
        process = start(tmp_path, None, free_port())
    _, message = process.communicate(timeout=START_S)
    assert process.returncode == 1
    assert f"the model in {tmp_path / 'model'} cannot be served" in message.decode()
    assert "Traceback" not in message.decode()


def test_a_port_that_is_no_number_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BINSIGHT_ENGINE", "onnxruntime")
    process = start(tmp_path, None, 70000)
    _, message = process.communicate(timeout=START_S)
    assert process.returncode == 1
    assert "SAGEMAKER_BIND_TO_PORT" in message.decode()


def test_an_answer_about_other_labels_is_refused_and_names_the_endpoint(tmp_path: Path) -> None:
    thresholds = {"decision": {"temperature": 1.0, "thresholds": dict.fromkeys("abc", 0.5), "ambiguous_margin": 0.1}}
    foreign = model_folder(tmp_path / "foreign", labels=[{"name": name} for name in "abc"], **thresholds)
    with (
        serving(tmp_path / "ml", foreign) as container,
        sagemaker_in_front_of(container.client, no_blobs(tmp_path / "blobs")) as adapter,
        pytest.raises(EndpointFailedError, match="waste-abc"),
    ):
        adapter.predict(served(model_folder(tmp_path / "own")), PHOTOS["classify"], deadline_s=60)
