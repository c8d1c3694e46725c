"""JobRunner on SageMaker: training jobs, and evaluations as processing jobs of our container."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.adapters.aws.failures import code_of, message_of
from chalicelib.adapters.aws.training_request import (
    TrainingSite,
    algorithm_of,
    evaluation_folder,
    processing_request,
    s3_data,
    training_request,
)
from chalicelib.domain.errors import BlobNotFoundError, InvalidFieldError, JobNotFoundError, RunnerUnavailableError
from chalicelib.domain.ports import BlobStore, JobRunner
from chalicelib.domain.training_job import (
    EvaluationOrder,
    EvaluationStatus,
    JobOrder,
    JobState,
    JobStatus,
)

if TYPE_CHECKING:
    from mypy_boto3_sagemaker import SageMakerClient

STATES = {"Completed": JobState.COMPLETED, "Failed": JobState.FAILED, "Stopped": JobState.STOPPED}
EVALUATED = ("model.tar.gz", "card.md", "card.html", "golden-answers.json")
EXISTS = "ResourceInUse"
# SageMaker has one code for everything, `ValidationException`; only its message tells these apart.
MISSING = ("not found", "does not exist", "could not find")
ENDED = ("cannot be stopped", "is in status", "status completed", "status failed", "status stopped")


class SageMakerJobs(JobRunner):
    def __init__(self, client: SageMakerClient, site: TrainingSite, blobs: BlobStore) -> None:
        self._client = client
        self._site = site
        self._blobs = blobs

    def check(self, order: JobOrder) -> None:
        if not order.data:
            raise _refused("say where the photos are: 's3://bucket/folder', or one for each channel.")
        wrong = [place for place in order.data.values() if not place.startswith("s3://")]
        if wrong:
            raise _refused(f"'{wrong[0][:200]}' is no place on S3; upload the photos and give 's3://bucket/folder'.")

    def start(self, order: JobOrder) -> None:
        request: Any = training_request(order, self._site)
        with self._answers(order.name), _harmless(EXISTS):
            self._client.create_training_job(**request)

    def describe(self, job: str) -> JobStatus:
        with self._answers(job):
            found: Any = self._client.describe_training_job(TrainingJobName=job)
        image = found["AlgorithmSpecification"].get("TrainingImage", "")
        state = STATES.get(found["TrainingJobStatus"], JobState.RUNNING)
        return JobStatus(
            name=job,
            state=state,
            algorithm=algorithm_of(image, self._site.container_image),
            reason=found.get("FailureReason", ""),
            hyperparameters=found.get("HyperParameters", {}),
            data=s3_data(found.get("InputDataConfig", [])),
            artifact=found.get("ModelArtifacts", {}).get("S3ModelArtifacts", ""),
            logs=self._logs("TrainingJobs", job),
            billable_s=found.get("BillableTimeInSeconds"),
        )

    def stop(self, job: str) -> None:
        with self._answers(job), _harmless("ValidationException", *ENDED):
            self._client.stop_training_job(TrainingJobName=job)

    def start_evaluation(self, order: EvaluationOrder) -> None:
        request: Any = processing_request(order, self._site)
        with self._answers(order.name), _harmless(EXISTS):
            self._client.create_processing_job(**request)

    def describe_evaluation(self, evaluation: str) -> EvaluationStatus:
        with self._answers(evaluation):
            found = self._client.describe_processing_job(ProcessingJobName=evaluation)
        state = STATES.get(found["ProcessingJobStatus"], JobState.RUNNING)
        files = self._files(evaluation) if state is JobState.COMPLETED else {}
        reason = self._told(evaluation) or found.get("ExitMessage", "") or found.get("FailureReason", "")
        return EvaluationStatus(evaluation, state, reason, files, self._logs("ProcessingJobs", evaluation))

    def stop_evaluation(self, evaluation: str) -> None:
        with self._answers(evaluation), _harmless("ValidationException", *ENDED):
            self._client.stop_processing_job(ProcessingJobName=evaluation)

    def _files(self, evaluation: str) -> dict[str, str]:
        names = {name: f"{evaluation_folder(evaluation)}/{name}" for name in EVALUATED}
        return {name: blob for name, blob in names.items() if self._blobs.exists(blob)}

    def _told(self, evaluation: str) -> str:
        """Why there is no model, in the program's own words, where it could still say so."""
        try:
            with self._blobs.open(f"{evaluation_folder(evaluation)}/failure") as stream:
                return stream.read().decode("utf-8", "replace")
        except BlobNotFoundError:
            return ""

    def _logs(self, group: str, name: str) -> str:
        region = self._site.region
        place = f"log-groups/log-group/$252Faws$252Fsagemaker$252F{group}$3FlogStreamNameFilter$3D{name}"
        return f"https://{region}.console.aws.amazon.com/cloudwatch/home?region={region}#logsV2:{place}"

    @contextmanager
    def _answers(self, name: str) -> Iterator[None]:
        try:
            yield
        except ClientError as error:
            message = message_of(error).lower()
            if code_of(error) == "ResourceNotFound" or any(part in message for part in MISSING):
                raise JobNotFoundError(f"SageMaker knows no job '{name}' in {self._site.region}.") from error
            raise _unavailable(f"{code_of(error)}: {message_of(error)}") from error
        except BotoCoreError as error:
            raise _unavailable(str(error)) from error


@contextmanager
def _harmless(code: str, *messages: str) -> Iterator[None]:
    """What says that nothing is left to do."""
    try:
        yield
    except ClientError as error:
        message = message_of(error).lower()
        if code_of(error) != code or (messages and not any(part in message for part in messages)):
            raise


def _refused(reason: str) -> InvalidFieldError:
    return InvalidFieldError(f"data: {reason}", errors=[{"field": "data", "reason": reason}])


def _unavailable(reason: str) -> RunnerUnavailableError:
    return RunnerUnavailableError(f"SageMaker did not take that ({reason}); try again.", retry_after_s=5)
