"""The AWS stage as the composition root makes it, on moto; and what a Lambda must not load before it needs it."""

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
from botocore.stub import Stubber

from chalicelib.adapters.aws.sagemaker_runtime import SageMakerRuntime
from chalicelib.bootstrap import make_services
from chalicelib.config import from_environment
from chalicelib.domain.errors import BlobNotFoundError
from chalicelib.domain.fleet_errors import QuotaExceededError
from chalicelib.domain.inference import Task
from chalicelib.domain.plan import EndpointPlan, Plan
from device.runtime.artifact import pack
from tests.device.models import model_folder
from tests.integration.conftest import BUCKET, REGION, TABLE, Clients, create_table

ROOT = Path(__file__).parents[2]
STAGE = {"BINSIGHT_STAGE": "dev", "BINSIGHT_TABLE": TABLE, "BINSIGHT_BUCKET": BUCKET, "AWS_REGION": REGION}


def test_the_aws_stage_registers_an_artifact(aws: Clients, tmp_path: Path) -> None:
    create_table(aws.dynamodb)
    aws.s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    services = make_services(from_environment(STAGE))
    assert services.is_healthy()
    pack(model_folder(tmp_path / "model"), tmp_path / "model.tar.gz")
    content = (tmp_path / "model.tar.gz").read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    upload, target = services.uploads.announce("somebody", len(content), digest, "application/gzip")
    assert REGION in target.url
    with pytest.raises(BlobNotFoundError):
        services.models.register_artifact(upload.blob_name, digest, None, "somebody")
    aws.s3.put_object(Bucket=BUCKET, Key=upload.blob_name, Body=content)
    model = services.models.register_artifact(upload.blob_name, digest, None, "somebody")
    assert (model.id, model.task, model.digest) == ("waste-1", Task.CLASSIFY, digest)
    assert services.models.get("waste-1").manifest == model.manifest
    assert services.ledger.first_fault() is None


def test_a_dry_run_on_aws_shows_price_and_quotas_and_a_lack_refuses_the_real_one_too(
    aws: Clients, tmp_path: Path
) -> None:
    create_table(aws.dynamodb)
    aws.s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    services = make_services(from_environment(STAGE))
    pack(model_folder(tmp_path / "model"), tmp_path / "model.tar.gz")
    content = (tmp_path / "model.tar.gz").read_bytes()
    aws.s3.put_object(Bucket=BUCKET, Key="uploads/model", Body=content)
    model = services.models.register_artifact("uploads/model", hashlib.sha256(content).hexdigest(), None, "somebody")
    services.models.approve(model.id, "somebody", "tried", override=True)
    runtime = services.deployments.runtime
    assert isinstance(runtime, SageMakerRuntime)
    quotas = [{"QuotaName": "Number of serverless endpoints", "Value": 50.0}]
    quotas.append({"QuotaName": "Total concurrency of all serverless endpoints", "Value": 4.0})
    with Stubber(runtime._account._quotas_client) as asked:
        asked.add_response("list_service_quotas", {"Quotas": quotas})
        shown = services.dry_runs.of(model.id, Plan())["endpoint"]
        assert shown["settings"] == {"max_concurrency": 2}
        assert shown["price"]["usd_per_busy_s"] == pytest.approx(0.00006)
        assert shown["quota"]["concurrency"] == {"used": 0, "most": 4}
        with pytest.raises(QuotaExceededError, match="5 more concurrent"):
            services.deployments.promote(model.id, "somebody", Plan(EndpointPlan({"max_concurrency": 5})))
    assert services.deployments.page(None, 10)[0] == []


def test_a_stage_without_its_table_is_not_healthy(aws: Clients) -> None:
    assert not make_services(from_environment(STAGE)).is_healthy()


def test_a_cold_lambda_loads_neither_pillow_nor_numpy_nor_an_engine() -> None:
    program = (
        "import sys; from chalicelib.bootstrap import make_services; from chalicelib.config import from_environment; "
        f"make_services(from_environment({STAGE!r})); "
        "print(sorted({'PIL', 'numpy', 'onnxruntime', 'openvino', 'mxnet'} & sys.modules.keys()))"
    )
    found = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
