"""Training over HTTP: a job from a definition, a job that exists, and what becomes of them."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.functional.client import Answer
from tests.functional.training_jobs import PATIENCE_S, TrainingService, training_service

Archives = dict[str, Path]


@pytest.fixture
def training(tmp_path: Path, archives: Archives) -> Iterator[TrainingService]:
    with training_service(tmp_path, archives["classify"]) as service:
        yield service


def start(training: TrainingService, **body: Any) -> Answer:
    return training.service.client.post("/models", {"job": "waste", **body})


def kind(answer: Answer) -> str:
    return answer.problem.rpartition(":")[2]


def test_a_definition_becomes_a_ready_model_with_price_lineage_logs_and_card(
    training: TrainingService, tmp_path: Path
) -> None:
    (tmp_path / "photos").mkdir()
    begun = start(training, data=str(tmp_path / "photos"), name="kitchen", hyperparameters={"seconds": "0.2"})
    assert (begun.status, begun.json()["id"], begun.json()["state"]) == (201, "kitchen-1", "training")
    assert begun.json()["price"]["most_usd"] == 0
    model = training.until("kitchen-1", "ready", "failed")
    assert model["state"] == "ready"
    assert model["lineage"]["job"] == begun.json()["training_job"]
    assert model["lineage"]["data"] == {"": str(tmp_path / "photos")}
    assert model["lineage"]["hyperparameters"] == {"epochs": "3", "seconds": "0.2"}
    assert "epoch 1 of 1" in Path(model["logs"]).read_text()
    client = training.service.client
    assert client.get("/models/kitchen-1/card").body == b"# A card of its own"
    page = client.get("/models/kitchen-1/card?format=html")
    assert page.headers["content-type"].startswith("text/html")
    assert "sandbox" in page.headers["content-security-policy"]
    actions = [entry["action"] for entry in client.get("/ledger").json()["items"]]
    assert actions == ["model.ready", "model.evaluating", "model.registered"]


def test_a_failure_reaches_the_model_in_the_programs_own_words(training: TrainingService) -> None:
    start(training, hyperparameters={"failure": "only one class: compost"})
    model = training.until("waste-1", "failed")
    assert model["reason"] == "only one class: compost (exit code 1)"
    assert training.service.client.get("/models?state=failed").json()["items"][0]["id"] == "waste-1"


def test_jobs_run_one_after_the_other(training: TrainingService, tmp_path: Path) -> None:
    held = tmp_path / "held"
    held.touch()
    start(training, hyperparameters={"while_there_is": str(held)})
    start(training)
    _wait_for_log(training, "waste-1")
    training.step()
    jobs = training.service.settings.home / "jobs"
    second = training.service.client.get("/models/waste-2").json()["training_job"]
    assert not (jobs / second / "status.json").exists()
    held.unlink()
    assert training.until("waste-2", "ready")["state"] == "ready"
    assert training.service.client.get("/models/waste-1").json()["state"] == "ready"


def test_a_running_job_is_stopped_on_request(training: TrainingService) -> None:
    start(training, hyperparameters={"seconds": "60"})
    _wait_for_log(training, "waste-1")
    asked = training.service.client.post("/models/waste-1/stop", {"reason": "the wrong photos"})
    assert (asked.status, asked.json()["stopping"]) == (202, True)
    assert training.until("waste-1", "stopped")["reason"] == "It was stopped on request."
    again = training.service.client.post("/models/waste-1/stop", {})
    assert (again.status, kind(again), again.json()["legal"]) == (409, "illegal-transition", ["retired"])


def test_a_waiting_job_is_stopped_before_it_begins(training: TrainingService) -> None:
    start(training)
    assert training.service.client.post("/models/waste-1/stop", {}).json()["state"] == "stopped"
    for _ in range(3):
        training.step()
    assert training.service.client.get("/models/waste-1").json()["state"] == "stopped"


def test_a_job_whose_process_was_killed_is_failed_with_the_reason(training: TrainingService) -> None:
    start(training, hyperparameters={"seconds": "60"})
    _wait_for_log(training, "waste-1")
    for process in training.trainer.started:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert "killed" in training.until("waste-1", "failed")["reason"]


def test_a_job_goes_back_into_the_queue_when_the_service_ends_and_runs_at_the_next_start(
    training: TrainingService,
) -> None:
    start(training, hyperparameters={"seconds": "1"})
    _wait_for_log(training, "waste-1")
    training.trainer.stop()
    for process in training.trainer.started:
        process.wait()
    assert training.service.client.get("/models/waste-1").json()["state"] == "training"
    assert training.until("waste-1", "ready")["state"] == "ready"


def test_a_trainer_that_lost_its_lease_starts_nothing(training: TrainingService) -> None:
    start(training)
    training.trainer.pump(2)
    started = list(training.trainer.started)
    start(training)
    for process in started:
        process.wait()
    training.trainer.pump(1)
    assert training.trainer.started == started


def test_a_local_job_is_recorded_by_its_name_once(training: TrainingService) -> None:
    start(training)
    job = str(training.until("waste-1", "ready")["training_job"])
    client = training.service.client
    taken = client.post("/models", {"name": "copy", "task": "classify", "training_job": job})
    assert (taken.status, kind(taken), taken.json()["model"]) == (409, "job-recorded", "waste-1")
    wrong = client.post("/models", {"name": "copy", "task": "detect", "training_job": job})
    assert (wrong.status, kind(wrong)) == (409, "job-mismatch")


@pytest.mark.parametrize(
    ("body", "status", "problem", "said"),
    [
        ({"job": "wsate"}, 404, "unknown-definition", "banknotes, waste"),
        ({"job": "banknotes"}, 422, "invalid-field", "SageMaker"),
        ({"job": "waste", "data": "/no/such/folder"}, 422, "invalid-field", "no '/no/such"),
        ({"job": "waste", "data": {"train": "/a"}}, 422, "invalid-field", "one set"),
        ({"job": "waste", "epochs": 3}, 422, "invalid-field", "epochs"),
        ({"job": "waste", "upload": "x"}, 422, "invalid-field", "no other of them"),
        ({"job": "../../etc/passwd"}, 422, "invalid-field", "job"),
        ({"name": "n", "task": "classify", "training_job": "never-was"}, 404, "unknown-job", "never-was"),
        ({"name": "n", "task": "classify", "training_job": "../jobs"}, 422, "invalid-field", "training_job"),
        ({"name": "n", "task": "classify", "training_job": "a", "epochs": 1}, 422, "invalid-field", "epochs"),
        ({"name": "n", "training_job": "a"}, 422, "invalid-field", "task"),
        ({}, 422, "invalid-field", "'job', 'training_job', 'upload'"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(
    training: TrainingService, body: dict[str, Any], status: int, problem: str, said: str
) -> None:
    refused = training.service.client.post("/models", body)
    assert (refused.status, kind(refused)) == (status, problem)
    assert said in refused.json()["detail"]
    assert training.service.client.get("/models").json()["items"] == []


def _wait_for_log(training: TrainingService, model_id: str) -> None:
    job = training.service.client.get(f"/models/{model_id}").json()["training_job"]
    log = training.service.settings.home / "jobs" / job / "output.log"
    deadline_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline_s:
        training.step()
        if log.exists() and log.stat().st_size:
            return
        time.sleep(0.05)
    raise AssertionError("the job never began")
