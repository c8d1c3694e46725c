"""Every definition of training/jobs as the requests that SageMaker takes, judged by botocore's own service model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.validate import ParamValidator

from chalicelib.adapters.aws.training_request import TrainingSite, training_request
from chalicelib.adapters.aws.tuning_request import LONGEST_NAME, tuning_name, tuning_request
from chalicelib.adapters.job_definitions import JobFiles
from chalicelib.domain.cost import HOURLY_USD, sagemaker_training
from chalicelib.domain.errors import InvalidFieldError
from chalicelib.domain.training_job import TASKS_OF_ALGORITHM, JobDefinition, JobOrder
from tests.integration.conftest import REGION

JOBS = JobFiles(Path(__file__).parents[2] / "training" / "jobs")
IMAGE = f"123456789012.dkr.ecr.{REGION}.amazonaws.com/binsight:1"
SITE = TrainingSite(REGION, "bucket", "arn:aws:iam::123456789012:role/sagemaker", IMAGE)
NAMES = sorted(JOBS.names())
WHOLE = {"": "s3://b/set"}
definitions = pytest.mark.parametrize("name", NAMES)


def order(definition: JobDefinition, data: dict[str, str] | None = None) -> JobOrder:
    place = data or WHOLE
    return JobOrder(f"binsight-{definition.name}-2582iugtmt3ip0c3", definition, place, definition.recipe(place))


def complaints(operation: str, request: dict[str, Any]) -> str:
    model = boto3.client("sagemaker", region_name=REGION).meta.service_model.operation_model(operation)
    return str(ParamValidator().validate(request, model.input_shape).generate_report())


@definitions
def test_a_definition_becomes_a_training_job(name: str) -> None:
    definition = JOBS(name)
    request = training_request(order(definition), SITE)
    assert complaints("CreateTrainingJob", request) == ""
    assert definition.task in TASKS_OF_ALGORITHM[definition.algorithm]
    assert request["EnableManagedSpotTraining"]
    assert {"Key": "definition", "Value": name} in request["Tags"]


@definitions
def test_a_definition_becomes_a_tuning_job(name: str) -> None:
    request = tuning_request(order(JOBS(name)), SITE)
    assert complaints("CreateHyperParameterTuningJob", request) == ""
    tuned = {each["Name"] for kind in ranges(request).values() for each in kind}
    assert {"learning_rate"} <= tuned
    assert not tuned & set(request["TrainingJobDefinition"]["StaticHyperParameters"])


def ranges(request: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    return dict(request["HyperParameterTuningJobConfig"]["ParameterRanges"])


@definitions
def test_a_definition_has_a_price(name: str) -> None:
    definition = JOBS(name)
    assert definition.instance_type in HOURLY_USD
    assert 0 < sagemaker_training(definition).most_usd < 10


@definitions
def test_an_objective_is_a_metric_that_is_printed(name: str) -> None:
    """A built-in algorithm's metrics are SageMaker's, and are not to be defined again."""
    request = tuning_request(order(JOBS(name)), SITE)
    specification = request["TrainingJobDefinition"]["AlgorithmSpecification"]
    objective = request["HyperParameterTuningJobConfig"]["HyperParameterTuningJobObjective"]["MetricName"]
    if JOBS(name).algorithm == "binsight":
        assert objective in {metric["Name"] for metric in specification["MetricDefinitions"]}
    else:
        assert "MetricDefinitions" not in specification


def test_boxes_are_piped_from_the_manifest_in_the_order_that_the_algorithm_asks_for() -> None:
    request = training_request(order(JOBS("banknotes-built-in")), SITE)
    train, validation = request["InputDataConfig"]
    source = train["DataSource"]["S3DataSource"]
    assert (source["S3DataType"], source["S3Uri"]) == ("AugmentedManifestFile", "s3://b/set/train/s3.manifest")
    assert source["AttributeNames"] == ["source-ref", "cash"]
    assert (train["RecordWrapperType"], train["InputMode"]) == ("RecordIO", "Pipe")
    assert "ShuffleConfig" not in validation


def test_a_manifest_of_ones_own_is_taken_as_it_is() -> None:
    data = {"train": "s3://b/my.manifest", "validation": "s3://b/other.jsonl"}
    request = training_request(order(JOBS("banknotes-built-in"), data), SITE)
    places = [channel["DataSource"]["S3DataSource"]["S3Uri"] for channel in request["InputDataConfig"]]
    assert places == list(data.values())


def test_a_checkpoint_brings_its_own_recipe_and_channel() -> None:
    definition = JOBS("waste")
    data = {**WHOLE, "pretrained": "s3://b/mobilenet"}
    request = training_request(order(definition, data), SITE)
    assert "pretrained" in {channel["ChannelName"] for channel in request["InputDataConfig"]}
    assert request["HyperParameters"]["standardize"] == "1"
    assert "standardize" not in training_request(order(definition), SITE)["HyperParameters"]


def test_a_definition_without_tuning_is_refused() -> None:
    definition = replace(JOBS("waste"), document={})
    with pytest.raises(InvalidFieldError, match="says nothing of tuning"):
        tuning_request(order(definition), SITE)


@pytest.mark.parametrize("word", ["waste", "banknotes-built-in", "a" * 36])
def test_a_tuning_jobs_name_is_short_and_keeps_what_tells_it_apart(word: str) -> None:
    name = tuning_name(f"binsight-{word}-2582iugtmt3ip0c3")
    assert len(name) <= LONGEST_NAME
    assert name.endswith("-2582iugtmt3ip0c3")
