"""Jobs followed to their end without anyone asking."""

from __future__ import annotations

import hashlib

import pytest

from chalicelib.domain.errors import (
    IllegalTransitionError,
    JobMismatchError,
    JobNotFoundError,
    JobRecordedError,
    RunnerUnavailableError,
    TaskMismatchError,
)
from chalicelib.domain.inference import Task
from chalicelib.domain.model import Model, ModelState
from chalicelib.domain.training_job import JobState, JobStatus
from chalicelib.services.training import TrainingRequest
from tests.unit.job_fakes import Registry

REQUEST = TrainingRequest("waste", {"": "/photos"})
ARTIFACT = hashlib.sha256(b"packed").hexdigest()


@pytest.fixture
def registry() -> Registry:
    return Registry()


def started(registry: Registry) -> Model:
    return registry.training.start(REQUEST, "me")


def job_of(model: Model) -> str:
    assert model.run is not None
    return model.run.job


def state(registry: Registry) -> ModelState:
    return registry.models.get("waste-1").state


def test_a_job_becomes_a_ready_model_with_its_card_and_its_story(registry: Registry) -> None:
    model = started(registry)
    registry.progress.tick()
    assert state(registry) is ModelState.TRAINING
    registry.runner.ends(job_of(model), JobState.COMPLETED)
    registry.progress.tick()
    assert state(registry) is ModelState.EVALUATING
    registry.blobs.files |= {"out/model": b"packed", "out/card": b"# card"}
    registry.runner.evaluated({"model.tar.gz": "out/model", "card.md": "out/card"})
    registry.progress.tick()
    ready = registry.models.get("waste-1")
    assert (ready.state, ready.digest, ready.cards) == (ModelState.READY, ARTIFACT, ("md",))
    assert registry.blobs.files[f"artifacts/{ARTIFACT}.tar.gz"] == b"packed"
    assert registry.models.card("waste-1", "md") == "# card"
    actions = [entry.action for entry in registry.ledger.page(None, 50)[0]]
    assert actions == ["model.ready", "model.evaluating", "model.registered"]
    assert registry.ledger.first_fault() is None
    assert registry.progress.tick() == 0


def test_a_failed_job_says_why(registry: Registry) -> None:
    registry.runner.jobs.clear()
    model = started(registry)
    registry.runner.ends(job_of(model), JobState.FAILED, "AlgorithmError: no photos")
    registry.progress.follow(job_of(model))
    failed = registry.models.get("waste-1")
    assert (failed.state, failed.reason) == (ModelState.FAILED, "AlgorithmError: no photos")


@pytest.mark.parametrize(
    ("files", "fault", "reason"),
    [
        ({}, "", "without a model.tar.gz"),
        ({"model.tar.gz": "lost"}, "", "no file lost"),
        ({"model.tar.gz": "there"}, "3 labels, 2 outputs", "3 labels, 2 outputs"),
    ],
)
def test_an_evaluation_that_leaves_no_usable_artifact_is_a_failure(
    registry: Registry, files: dict[str, str], fault: str, reason: str
) -> None:
    model = started(registry)
    registry.runner.ends(job_of(model), JobState.COMPLETED)
    registry.progress.tick()
    registry.blobs.files["there"] = b"packed"
    registry.inspector.fault = fault
    registry.runner.evaluated(files)
    registry.progress.tick()
    assert state(registry) is ModelState.FAILED
    assert reason in registry.models.get("waste-1").reason


def test_an_artifact_of_another_task_is_a_failure(registry: Registry) -> None:
    model = started(registry)
    registry.runner.ends(job_of(model), JobState.COMPLETED)
    registry.progress.tick()
    registry.blobs.files["out"] = b"packed"
    registry.inspector.manifest = {"name": "waste", "task": "count"}
    registry.runner.evaluated({"model.tar.gz": "out"})
    registry.progress.tick()
    assert "not 'classify'" in registry.models.get("waste-1").reason


def test_a_job_whose_start_never_arrived_is_started_by_the_next_tick(registry: Registry) -> None:
    model = started(registry)
    registry.runner.jobs.clear()
    registry.runner.asked.clear()
    registry.progress.tick()
    assert registry.runner.asked == [f"start {job_of(model)}"]
    assert state(registry) is ModelState.TRAINING


def test_an_evaluation_whose_start_never_arrived_is_started_by_the_next_tick(registry: Registry) -> None:
    model = started(registry)
    registry.runner.ends(job_of(model), JobState.COMPLETED)
    registry.progress.tick()
    registry.runner.evaluations.clear()
    registry.progress.tick()
    assert registry.runner.asked.count(f"evaluate {job_of(model)}") == 2
    assert state(registry) is ModelState.EVALUATING


def test_while_the_runner_is_down_nothing_is_believed_and_nothing_lost(registry: Registry) -> None:
    model = started(registry)
    registry.runner.is_down = True
    assert registry.progress.tick() == 1
    assert state(registry) is ModelState.TRAINING
    registry.runner.is_down = False
    registry.runner.ends(job_of(model), JobState.FAILED, "late news")
    registry.progress.tick()
    assert state(registry) is ModelState.FAILED


def test_a_start_that_fails_leaves_a_model_that_the_timer_starts(registry: Registry) -> None:
    registry.runner.refuses_starts = True
    with pytest.raises(RunnerUnavailableError):
        started(registry)
    registry.runner.refuses_starts = False
    registry.progress.tick()
    assert [each.split()[0] for each in registry.runner.asked] == ["start"]


def test_an_event_of_a_strangers_job_is_ignored(registry: Registry) -> None:
    registry.progress.follow("somebody-elses-job")
    assert registry.store.records == {}


def test_a_stop_is_asked_for_until_the_job_has_stopped(registry: Registry) -> None:
    model = started(registry)
    stopping = registry.training.stop("waste-1", "me")
    assert stopping.state is ModelState.TRAINING
    assert stopping.run is not None
    assert stopping.run.is_stopping
    registry.progress.tick()
    assert registry.runner.asked.count(f"stop {job_of(model)}") == 2
    registry.runner.ends(job_of(model), JobState.STOPPED)
    registry.progress.tick()
    assert state(registry) is ModelState.STOPPED
    with pytest.raises(IllegalTransitionError) as refusal:
        registry.training.stop("waste-1", "me")
    assert refusal.value.members["legal"] == ["retired"]


def test_a_job_that_completed_before_the_stop_arrived_is_stopped_all_the_same(registry: Registry) -> None:
    model = started(registry)
    registry.runner.ends(job_of(model), JobState.COMPLETED)
    assert registry.training.stop("waste-1", "me").state is ModelState.STOPPED


def recorded(registry: Registry, status: JobStatus, task: Task = Task.CLASSIFY, name: str = "kitchen") -> Model:
    registry.runner.jobs[status.name] = status
    return registry.training.record(name, task, status.name, (), "me")


def test_a_running_job_is_recorded_as_training_and_followed(registry: Registry) -> None:
    running = JobStatus("deeplens-trash", JobState.RUNNING, "image-classification", hyperparameters={"epochs": "10"})
    model = recorded(registry, running)
    assert (model.id, model.state) == ("kitchen-1", ModelState.TRAINING)
    registry.runner.ends("deeplens-trash", JobState.COMPLETED)
    registry.progress.follow("deeplens-trash")
    assert registry.models.get("kitchen-1").state is ModelState.EVALUATING


def test_a_finished_job_goes_on_to_its_evaluation_at_once(registry: Registry) -> None:
    done = JobStatus("done", JobState.COMPLETED, "binsight", hyperparameters={"task": "classify"}, artifact="s3://a")
    assert recorded(registry, done).state is ModelState.EVALUATING


def test_a_job_that_does_not_exist_is_not_recorded(registry: Registry) -> None:
    with pytest.raises(JobNotFoundError):
        registry.training.record("kitchen", Task.CLASSIFY, "never-was", (), "me")
    assert registry.store.records == {}


@pytest.mark.parametrize(
    ("algorithm", "hyperparameters", "task"),
    [
        ("object-detection", {}, Task.CLASSIFY),
        ("image-classification", {}, Task.DETECT),
        ("xgboost", {}, Task.CLASSIFY),
        ("binsight", {"task": "count"}, Task.CLASSIFY),
        ("binsight", {"task": '"detect"'}, Task.COUNT),
    ],
)
def test_a_job_of_another_algorithm_is_refused(
    registry: Registry, algorithm: str, hyperparameters: dict[str, str], task: Task
) -> None:
    with pytest.raises(JobMismatchError, match=task.value):
        recorded(registry, JobStatus("job", JobState.COMPLETED, algorithm, hyperparameters=hyperparameters), task)
    assert registry.store.records == {}


def test_a_job_is_recorded_once(registry: Registry) -> None:
    running = JobStatus("job", JobState.RUNNING, "image-classification")
    recorded(registry, running)
    with pytest.raises(JobRecordedError, match="kitchen-1"):
        recorded(registry, running, name="other")


def test_a_name_belongs_to_one_task(registry: Registry) -> None:
    recorded(registry, JobStatus("one", JobState.RUNNING, "image-classification"))
    with pytest.raises(TaskMismatchError, match="another name"):
        recorded(registry, JobStatus("two", JobState.RUNNING, "object-detection"), Task.DETECT)
