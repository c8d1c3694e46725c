"""The port JobRunner: one test class, run on this machine's jobs and on SageMaker as moto answers it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from chalicelib.adapters.aws.s3_blobs import S3Blobs
from chalicelib.adapters.aws.training_jobs import SageMakerJobs
from chalicelib.adapters.aws.training_request import TrainingSite
from chalicelib.adapters.embedded.folder_blobs import FolderBlobs
from chalicelib.adapters.embedded.job_folder import JobFolders
from chalicelib.adapters.embedded.local_jobs import LocalJobs
from chalicelib.domain.errors import InvalidFieldError, JobNotFoundError
from chalicelib.domain.inference import Task
from chalicelib.domain.ports import JobRunner
from chalicelib.domain.training_job import EvaluationOrder, JobDefinition, JobOrder, JobState
from tests.integration.conftest import BUCKET, REGION, Clients

DEFINITION = JobDefinition("waste", Task.CLASSIFY, "binsight", {"epochs": "3"}, "ml.m5.xlarge", 1, 3600, False, {})


@dataclass(frozen=True)
class Case:
    runner: JobRunner
    photos: str

    def order(self, name: str = "binsight-waste-1", **data: str) -> JobOrder:
        return JobOrder(name, DEFINITION, data or {"": self.photos}, {"epochs": "3", "task": "classify"})


@pytest.fixture(params=["local", "sagemaker"])
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Case]:
    if request.param == "local":
        blobs = FolderBlobs(tmp_path / "files", "http://here", b"key", lambda: 0.0)
        photos = tmp_path / "photos"
        photos.mkdir()
        yield Case(LocalJobs(JobFolders(tmp_path / "jobs"), blobs, evaluates_apart=True), str(photos))
        return
    clients: Clients = request.getfixturevalue("aws")
    s3_blobs: S3Blobs = request.getfixturevalue("s3_blobs")
    image = f"123456789012.dkr.ecr.{REGION}.amazonaws.com/binsight:1"
    site = TrainingSite(REGION, BUCKET, "arn:aws:iam::123456789012:role/sagemaker", image)
    yield Case(SageMakerJobs(clients.sagemaker, site, s3_blobs), f"s3://{BUCKET}/photos")


class TestJobRunner:
    def test_what_was_started_is_described_as_it_was_ordered(self, case: Case) -> None:
        case.runner.start(case.order())
        status = case.runner.describe("binsight-waste-1")
        assert (status.name, status.algorithm) == ("binsight-waste-1", "binsight")
        assert status.hyperparameters.items() >= {"epochs": "3", "task": "classify"}.items()
        assert any(place.startswith(case.photos) for place in status.data.values())
        assert "binsight-waste-1" in status.logs

    def test_starting_again_is_harmless(self, case: Case) -> None:
        case.runner.start(case.order())
        case.runner.start(case.order())
        assert case.runner.describe("binsight-waste-1").state in (JobState.RUNNING, JobState.COMPLETED)

    @pytest.mark.parametrize("name", ["never-was", "a"])
    def test_a_job_that_never_was_is_not_found(self, case: Case, name: str) -> None:
        with pytest.raises(JobNotFoundError, match=name):
            case.runner.describe(name)

    def test_an_evaluation_that_never_was_is_not_found(self, case: Case) -> None:
        with pytest.raises(JobNotFoundError):
            case.runner.describe_evaluation("binsight-evaluate-1")

    def test_an_evaluation_may_be_started_twice(self, case: Case) -> None:
        order = EvaluationOrder(
            name="binsight-evaluate-1",
            job="binsight-waste-1",
            model_name="waste",
            task=Task.CLASSIFY,
            algorithm="binsight",
            artifact=case.photos,
            data={"": case.photos},
        )
        case.runner.start_evaluation(order)
        case.runner.start_evaluation(order)
        status = case.runner.describe_evaluation("binsight-evaluate-1")
        assert status.state in (JobState.RUNNING, JobState.COMPLETED)
        assert status.files == {}

    def test_photos_that_cannot_be_reached_are_refused_before_anything_begins(self, case: Case) -> None:
        case.runner.check(case.order())
        with pytest.raises(InvalidFieldError) as refusal:
            case.runner.check(JobOrder("job", DEFINITION, {"": "nowhere/at/all"}, {}))
        assert refusal.value.members["errors"][0]["field"] == "data"
