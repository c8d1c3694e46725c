"""A processing job's answers to the golden pool: from its folder in the bucket into the table; no endpoint is asked."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

import pytest
from botocore.stub import Stubber

from chalicelib.adapters.aws.dynamodb_store import DynamoStore
from chalicelib.adapters.aws.inspector import StreamingInspector
from chalicelib.adapters.aws.s3_blobs import S3Blobs
from chalicelib.adapters.aws.training_jobs import SageMakerJobs
from chalicelib.adapters.aws.training_request import evaluation_folder
from chalicelib.adapters.golden_pools import PackagedPools
from chalicelib.adapters.job_definitions import JobFiles
from chalicelib.domain.inference import Task
from chalicelib.domain.model import Model, ModelState
from chalicelib.domain.training_job import TrainingRun
from chalicelib.services.golden_answers import GoldenAnswers
from chalicelib.services.ledger import Ledger
from chalicelib.services.model_versions import ModelVersions
from chalicelib.services.timed_cache import TimedCache
from chalicelib.services.training_progress import TrainingProgress
from device.runtime.artifact import pack
from device.runtime.predictor import Predictor
from tests.device.models import model_folder
from tests.integration.conftest import TABLE, Clients, create_table
from tests.integration.test_registry_sagemaker_jobs import SITE, processed
from training.golden import ANSWERS_NAME, POOLS, newest_pool, write_golden_answers

EVALUATION = "binsight-evaluate-1"
RUN = TrainingRun("binsight-train-1", "binsight", True, "waste", evaluation=EVALUATION)


def left_by_the_evaluation(folder: Path, task: str) -> dict[str, Path]:
    """As the container's `evaluate` leaves it in its output folder."""
    model = model_folder(folder / "model", task)
    artifact = folder / "model.tar.gz"
    pack(model, artifact)
    pool = newest_pool(POOLS, task)
    assert pool is not None
    digest = hashlib.sha256(artifact.read_bytes()).hexdigest()
    write_golden_answers(Predictor.load(model), pool, digest, folder / ANSWERS_NAME)
    return {path.name: path for path in (artifact, folder / ANSWERS_NAME)}


@pytest.mark.parametrize("task", ["classify", "count", "detect"])
def test_the_answers_are_in_the_table_before_anything_is_promoted(
    aws: Clients, s3_blobs: S3Blobs, tmp_path: Path, task: str
) -> None:
    create_table(aws.dynamodb)
    store = DynamoStore(aws.dynamodb, TABLE, pause=lambda _: None)
    versions = ModelVersions(store, Ledger(store, time.time), time.time)
    draft = Model("", "trained", 0, Task(task), ModelState.EVALUATING, 0.0, run=RUN)
    model = versions.add(draft, "somebody")
    for name, path in left_by_the_evaluation(tmp_path, task).items():
        s3_blobs.put(f"{evaluation_folder(EVALUATION)}/{name}", path)
    runner = SageMakerJobs(aws.sagemaker, SITE, s3_blobs)
    pools = PackagedPools()
    progress = TrainingProgress(
        store, s3_blobs, StreamingInspector(s3_blobs), versions, runner, JobFiles(None), lambda: "i" * 16, pools
    )
    with Stubber(aws.sagemaker) as stubber:
        stubber.add_response("describe_processing_job", processed("Completed"))
        progress.advance(model)
    ready = versions.get(model.id)
    assert ready.state is ModelState.READY
    nobody = None  # no endpoint is asked: the answers are all there
    golden = GoldenAnswers(store, nobody, pools, time.monotonic, TimedCache(time.monotonic, 60.0))  # type: ignore[arg-type]
    answers = golden.of(Task(task), str(ready.digest))
    assert answers is not None
    assert set(answers) == {photo.id for photo in pools.of(Task(task)).photos}
