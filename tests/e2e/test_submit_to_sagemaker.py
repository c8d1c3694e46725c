"""`python -m training.submit --stage dev`, end to end: a stage on moto, a SageMaker that runs our container's programs.

The stack is found, photos are uploaded, the stage's own API starts the job and follows training and evaluation, and
the artifact comes back through the presigned address.
"""

from __future__ import annotations

import io
import json
import sys
import time
import urllib.request
import urllib.response
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Any

import boto3
import pytest
import requests

from chalicelib.adapters.aws import clients as aws_clients
from chalicelib.adapters.aws.clients import dynamodb_client
from chalicelib.bootstrap import make_services
from chalicelib.config import from_environment
from device.runtime.artifact import unpack
from device.runtime.predictor import Predictor
from tests.e2e.sagemaker_jobs import SageMakerJobsServer
from tests.functional.detector import TRAINING_PYTHON, needs_training
from tests.functional.service import ADMIN_KEY, Service, free_port, running
from tests.integration.conftest import REGION, TABLE, Clients, OneAtATime, create_table
from training import follow, submit
from training.datasets.rendered import write_rendered_waste
from training.definition import FOLDER

TINY = {"epochs": "1", "image_size": "32", "channels": "16,32", "depths": "1,1"}
TICK_S = 0.05
BUCKET = "binsight-dev-files"
TEMPLATE: dict[str, Any] = {
    "Resources": {"Bucket": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": BUCKET}}},
    "Outputs": {"BucketName": {"Value": {"Ref": "Bucket"}}},
}

pytestmark = needs_training


class PresignedOnMoto(urllib.request.BaseHandler):
    """moto answers `requests`; what the program asks S3 for with `urllib` is handed on to it."""

    handler_order = 100

    def https_open(self, request: urllib.request.Request) -> urllib.response.addinfourl:
        assert "X-Amz-Signature" in request.full_url
        answer = requests.get(request.full_url, timeout=10)
        found = urllib.response.addinfourl(io.BytesIO(answer.content), Message(), request.full_url, answer.status_code)
        found.msg = answer.reason  # type: ignore[attr-defined]
        return found


@dataclass(frozen=True)
class Stage:
    service: Service
    sagemaker: SageMakerJobsServer

    def submitted(self, *options: str) -> int:
        """Its exit code; the stage's timer ticks meanwhile."""
        with ThreadPoolExecutor(1) as pool:
            running_program = pool.submit(submit.main, options)
            while not running_program.done():
                self.service.services.training.progress.tick()
                time.sleep(TICK_S)
        return running_program.result()


@pytest.fixture
def stage(aws: Clients, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    for name in ("BINSIGHT_URL", "BINSIGHT_BUCKET"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("BINSIGHT_KEY", ADMIN_KEY)
    monkeypatch.setattr(follow, "POLL_S", 0.05)
    monkeypatch.setattr(urllib.request, "_opener", urllib.request.build_opener(PresignedOnMoto()))
    monkeypatch.setattr(aws_clients, "dynamodb_client", lambda region: OneAtATime(dynamodb_client(region)))
    create_table(aws.dynamodb)
    python = {"BINSIGHT_TRAINING_PYTHON": str(TRAINING_PYTHON.absolute()), "BINSIGHT_PYTHON": sys.executable}
    sagemaker = SageMakerJobsServer(aws.s3, tmp_path / "sagemaker", python)
    with sagemaker.serving() as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER", url)
        settings = from_environment(
            {
                "BINSIGHT_STAGE": "dev",
                "BINSIGHT_PORT": str(free_port()),
                "BINSIGHT_ADMIN_KEY": ADMIN_KEY,
                "BINSIGHT_TABLE": TABLE,
                "BINSIGHT_BUCKET": BUCKET,
                "BINSIGHT_IMAGE": f"123456789012.dkr.ecr.{REGION}.amazonaws.com/binsight:1",
                "BINSIGHT_ROLE": "arn:aws:iam::123456789012:role/sagemaker",
                "AWS_REGION": REGION,
            }
        )
        with running(settings, make_services(settings)) as service:
            outputs = {**TEMPLATE["Outputs"], "EndpointURL": {"Value": f"http://127.0.0.1:{settings.port}"}}
            template = json.dumps({**TEMPLATE, "Outputs": outputs})
            boto3.client("cloudformation").create_stack(StackName="binsight-dev", TemplateBody=template)
            yield Stage(service, sagemaker)


def options(tmp_path: Path, **more: str) -> list[str]:
    pairs = [f"--set={name}={value}" for name, value in {**TINY, **more}.items()]
    job = ["--job", str(FOLDER / "waste.json"), "--data", str(tmp_path / "photos"), "--stage", "dev"]
    return [*job, "--out", str(tmp_path / "out"), *pairs]


def test_photos_become_a_ready_model_through_a_stage_on_aws(stage: Stage, tmp_path: Path) -> None:
    write_rendered_waste(tmp_path / "photos", 12, seed=3)
    assert stage.submitted(*options(tmp_path)) == 0
    model: dict[str, Any] = stage.service.client.get("/models/waste-1").json()
    assert model["state"] == "ready", model["reason"]
    assert model["lineage"]["hyperparameters"]["epochs"] == 1
    artifact = tmp_path / "out" / "model.tar.gz"
    unpack(artifact, tmp_path / "model", model["digest"])
    predictor = Predictor.load(tmp_path / "model", threads=1)
    predictor.self_test()
    assert predictor.manifest.label_names == ("compost", "landfill", "recycling")
    assert stage.service.client.get("/models/waste-1/card").body.startswith(b"# ")
    assert len(stage.sagemaker.jobs) == 2  # the training and its evaluation, each once


def test_what_fails_on_sagemaker_is_told_in_the_programs_own_words(
    stage: Stage, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_rendered_waste(tmp_path / "photos", 6, seed=3)
    assert stage.submitted(*options(tmp_path, optimizer="steepest")) == 1
    assert "waste-1 is failed: AlgorithmError: optimizer 'steepest' is not one of" in capsys.readouterr().err
    assert not (tmp_path / "out" / "model.tar.gz").exists()
