"""Training and processing jobs, as SageMaker answers it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import boto3
import pytest
from botocore.stub import ANY, Stubber
from botocore.validate import ParamValidator

from chalicelib.adapters.aws.training_jobs import SageMakerJobs
from chalicelib.adapters.aws.training_request import (
    TrainingSite,
    algorithm_of,
    processing_request,
    training_request,
)
from chalicelib.domain.errors import JobNotFoundError, RunnerUnavailableError
from chalicelib.domain.inference import Task
from chalicelib.domain.training_job import EvaluationOrder, JobDefinition, JobOrder, JobState
from tests.integration.conftest import REGION, Clients
from tests.unit.job_fakes import MemoryBlobs

IMAGE = f"123456789012.dkr.ecr.{REGION}.amazonaws.com/binsight:1"
SITE = TrainingSite(REGION, "bucket", "arn:aws:iam::123456789012:role/sagemaker", IMAGE)
BUILT_IN = f"685385470294.dkr.ecr.{REGION}.amazonaws.com/image-classification:1"
OURS = JobDefinition("waste", Task.CLASSIFY, "binsight", {}, "ml.g4dn.xlarge", 1, 3600, True, {})
THEIRS = replace(OURS, algorithm="image-classification", spot=False)
EVALUATION = EvaluationOrder(
    "binsight-evaluate-1", "job", "waste", Task.CLASSIFY, "binsight", "s3://b/model.tar.gz", {"": "s3://b/set"}
)
ARN = "arn:aws:sagemaker:eu-west-1:123456789012:training-job/job"


@pytest.fixture
def stubber(clients: Clients) -> Iterator[Stubber]:
    with Stubber(clients.sagemaker) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


@pytest.fixture
def blobs() -> MemoryBlobs:
    return MemoryBlobs()


@pytest.fixture
def jobs(clients: Clients, blobs: MemoryBlobs) -> SageMakerJobs:
    return SageMakerJobs(clients.sagemaker, SITE, blobs)


def described(status: str, **changes: Any) -> dict[str, Any]:
    return {
        "TrainingJobName": "job",
        "TrainingJobArn": ARN,
        "ModelArtifacts": {"S3ModelArtifacts": "s3://b/model.tar.gz"},
        "TrainingJobStatus": status,
        "SecondaryStatus": "Completed",
        "AlgorithmSpecification": {"TrainingImage": BUILT_IN, "TrainingInputMode": "File"},
        "ResourceConfig": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 1},
        "StoppingCondition": {"MaxRuntimeInSeconds": 1},
        "CreationTime": 0,
        **changes,
    }


def accepted(operation: str, request: dict[str, Any]) -> str:
    """What botocore's own service model says against it."""
    model = boto3.client("sagemaker", region_name=REGION).meta.service_model.operation_model(operation)
    return str(ParamValidator().validate(request, model.input_shape).generate_report())


@pytest.mark.parametrize("definition", [OURS, THEIRS], ids=["ours", "built-in"])
@pytest.mark.parametrize(
    "data", [{"": "s3://b/set"}, {"train": "s3://b/t", "validation": "s3://b/v"}], ids=["set", "channels"]
)
def test_sagemakers_own_model_takes_the_training_request(definition: JobDefinition, data: dict[str, str]) -> None:
    request = training_request(JobOrder("job", definition, data, {"epochs": "3"}), SITE)
    assert accepted("CreateTrainingJob", request) == ""
    assert {channel["ChannelName"] for channel in request["InputDataConfig"]} >= {"train", "validation"}


def test_sagemakers_own_model_takes_the_processing_request() -> None:
    request = processing_request(replace(EVALUATION, labels=("compost", "landfill")), SITE)
    assert accepted("CreateProcessingJob", request) == ""
    folders = {each["InputName"]: each["S3Input"]["LocalPath"] for each in request["ProcessingInputs"]}
    assert folders["artifact"] == "/opt/ml/processing/input/artifact"
    assert folders["test"] == "/opt/ml/processing/input/data/test"


def test_spot_waits_longer_than_it_trains_and_keeps_checkpoints() -> None:
    request = training_request(JobOrder("job", OURS, {"": "s3://b/set"}, {}), SITE)
    assert request["EnableManagedSpotTraining"]
    assert request["StoppingCondition"]["MaxWaitTimeInSeconds"] > request["StoppingCondition"]["MaxRuntimeInSeconds"]
    assert request["CheckpointConfig"]["S3Uri"].endswith("job/checkpoints")


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("InProgress", JobState.RUNNING),
        ("Stopping", JobState.RUNNING),
        ("Completed", JobState.COMPLETED),
        ("Failed", JobState.FAILED),
        ("Stopped", JobState.STOPPED),
    ],
)
def test_every_status_of_sagemakers_is_one_of_ours(
    stubber: Stubber, jobs: SageMakerJobs, status: str, state: JobState
) -> None:
    stubber.add_response("describe_training_job", described(status), {"TrainingJobName": "job"})
    assert jobs.describe("job").state is state


def test_a_jobs_reason_data_time_and_logs_are_told(stubber: Stubber, jobs: SageMakerJobs) -> None:
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://b/train"}}
    answer = described(
        "Failed",
        FailureReason="AlgorithmError: out of memory",
        BillableTimeInSeconds=61,
        HyperParameters={"num_classes": "3"},
        InputDataConfig=[{"ChannelName": "train", "DataSource": source}],
    )
    stubber.add_response("describe_training_job", answer)
    status = jobs.describe("job")
    assert (status.reason, status.billable_s) == ("AlgorithmError: out of memory", 61)
    assert (status.algorithm, status.data) == ("image-classification", {"train": "s3://b/train"})
    assert status.logs.startswith("https://eu-west-1.console.aws.amazon.com/cloudwatch/")
    assert status.logs.endswith("TrainingJobs$3FlogStreamNameFilter$3Djob")


@pytest.mark.parametrize(
    ("image", "algorithm"),
    [
        (IMAGE, "binsight"),
        (BUILT_IN, "image-classification"),
        ("811284229777.dkr.ecr.us-east-1.amazonaws.com/object-detection:latest", "object-detection"),
        ("1.dkr.ecr.eu-west-1.amazonaws.com/team/xgboost@sha256:abc", "xgboost"),
    ],
)
def test_an_image_names_its_algorithm(image: str, algorithm: str) -> None:
    assert algorithm_of(image, IMAGE) == algorithm


def test_a_job_that_sagemaker_does_not_know_is_not_found(stubber: Stubber, jobs: SageMakerJobs) -> None:
    stubber.add_client_error("describe_training_job", "ValidationException", "Requested resource not found.")
    with pytest.raises(JobNotFoundError, match="eu-west-1"):
        jobs.describe("job")


@pytest.mark.parametrize("code", ["ThrottlingException", "AccessDeniedException", "ResourceLimitExceeded"])
def test_whatever_else_sagemaker_says_is_not_taken_for_an_answer(
    stubber: Stubber, jobs: SageMakerJobs, code: str
) -> None:
    stubber.add_client_error("create_training_job", code, "not now")
    with pytest.raises(RunnerUnavailableError, match=code):
        jobs.start(JobOrder("job", OURS, {"": "s3://b/set"}, {}))


def test_a_job_that_exists_is_not_started_again(stubber: Stubber, jobs: SageMakerJobs) -> None:
    stubber.add_client_error("create_training_job", "ResourceInUse", "Training job names must be unique")
    jobs.start(JobOrder("job", OURS, {"": "s3://b/set"}, {}))


@pytest.mark.parametrize("kind", ["training", "processing"])
def test_stopping_what_has_ended_is_harmless(stubber: Stubber, jobs: SageMakerJobs, kind: str) -> None:
    message = "The request was rejected because the job is in status Completed."
    stubber.add_client_error(f"stop_{kind}_job", "ValidationException", message)
    stubber.add_response(f"stop_{kind}_job", {}, {f"{kind.title()}JobName": "job"})
    stop = jobs.stop if kind == "training" else jobs.stop_evaluation
    stop("job")
    stop("job")


def test_stopping_what_never_was_is_not_found(stubber: Stubber, jobs: SageMakerJobs) -> None:
    stubber.add_client_error("stop_training_job", "ValidationException", "Requested resource not found.")
    with pytest.raises(JobNotFoundError):
        jobs.stop("job")


def processed(status: str, **changes: Any) -> dict[str, Any]:
    cluster = {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 30}
    return {
        "ProcessingJobName": "binsight-evaluate-1",
        "ProcessingJobArn": ARN.replace("training", "processing"),
        "ProcessingJobStatus": status,
        "ProcessingResources": {"ClusterConfig": cluster},
        "AppSpecification": {"ImageUri": IMAGE},
        "CreationTime": 0,
        **changes,
    }


def test_a_completed_evaluation_names_the_files_that_it_left(
    stubber: Stubber, jobs: SageMakerJobs, blobs: MemoryBlobs
) -> None:
    folder = "jobs/binsight-evaluate-1/output"
    blobs.files |= {f"{folder}/model.tar.gz": b"packed", f"{folder}/card.md": b"# card"}
    stubber.add_response("describe_processing_job", processed("Completed"))
    status = jobs.describe_evaluation("binsight-evaluate-1")
    assert status.state is JobState.COMPLETED
    assert status.files == {"model.tar.gz": f"{folder}/model.tar.gz", "card.md": f"{folder}/card.md"}


def test_a_failed_evaluation_gives_the_programs_own_words_before_sagemakers(
    stubber: Stubber, jobs: SageMakerJobs, blobs: MemoryBlobs
) -> None:
    answer = processed("Failed", FailureReason="AlgorithmError", ExitMessage="exit code 1")
    stubber.add_response("describe_processing_job", answer)
    assert jobs.describe_evaluation("binsight-evaluate-1").reason == "exit code 1"
    blobs.files["jobs/binsight-evaluate-1/output/failure"] = b"the channel test is missing"
    stubber.add_response("describe_processing_job", answer)
    assert jobs.describe_evaluation("binsight-evaluate-1").reason == "the channel test is missing"


def test_an_evaluation_runs_our_container_with_the_models_name_and_task(stubber: Stubber, jobs: SageMakerJobs) -> None:
    expected = dict.fromkeys(processing_request(EVALUATION, SITE), ANY)
    expected |= {"Environment": {"BINSIGHT_TASK": "classify", "BINSIGHT_MODEL_NAME": "waste"}}
    expected |= {"AppSpecification": {"ImageUri": IMAGE, "ContainerArguments": ["evaluate"]}}
    stubber.add_response("create_processing_job", {"ProcessingJobArn": ARN.replace("training", "processing")}, expected)
    jobs.start_evaluation(EVALUATION)
