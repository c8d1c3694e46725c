"""From an order to the requests that SageMaker takes: pure, so that botocore's own service model can judge them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chalicelib.adapters.aws.image_uris import BUILT_IN, built_in_image
from chalicelib.domain.training_job import EvaluationOrder, JobDefinition, JobOrder

WHOLE_SET = ""
TRAINED = ("train", "validation")
LISTED = (*TRAINED, "train_lst", "validation_lst")
EVALUATED = (*TRAINED, "test")
EVALUATION_INSTANCE, EVALUATION_DISK_GB, EVALUATION_MAX_S = "ml.m5.xlarge", 30, 3600
TRAINING_DISK_GB = 50
SHUFFLE_SEED = 0
# Waiting for spot capacity may take as long again as the training itself.
SPOT_WAIT_FACTOR = 2
PROCESSING = "/opt/ml/processing"


@dataclass(frozen=True)
class TrainingSite:
    """Where jobs run: all that CloudFormation knows and a request does not."""

    region: str
    bucket: str
    role_arn: str
    container_image: str

    def image(self, algorithm: str) -> str:
        return built_in_image(algorithm, self.region) if algorithm in BUILT_IN else self.container_image


def training_request(order: JobOrder, site: TrainingSite) -> dict[str, Any]:
    """The body of CreateTrainingJob. Channels of a built-in algorithm hold application/x-image."""
    definition = order.definition
    built_in = definition.algorithm in BUILT_IN
    stopping = {"MaxRuntimeInSeconds": definition.max_runtime_s}
    if definition.spot:
        stopping["MaxWaitTimeInSeconds"] = definition.max_runtime_s * SPOT_WAIT_FACTOR
    hyperparameters = (
        dict(order.hyperparameters) if built_in else {"task": definition.task.value} | dict(order.hyperparameters)
    )
    request: dict[str, Any] = {
        "TrainingJobName": order.name,
        "AlgorithmSpecification": algorithm(definition, site),
        "RoleArn": site.role_arn,
        "HyperParameters": hyperparameters,
        "InputDataConfig": [channel(name, place, definition) for name, place in _trained_on(order).items()],
        "OutputDataConfig": {"S3OutputPath": f"s3://{site.bucket}/jobs"},
        "ResourceConfig": {
            "InstanceType": definition.instance_type,
            "InstanceCount": definition.instance_count,
            "VolumeSizeInGB": TRAINING_DISK_GB,
        },
        "StoppingCondition": stopping,
        "EnableManagedSpotTraining": definition.spot,
        "Tags": tags(definition),
    }
    if definition.spot:
        request["CheckpointConfig"] = {"S3Uri": f"s3://{site.bucket}/jobs/{order.name}/checkpoints"}
    return request


def processing_request(order: EvaluationOrder, site: TrainingSite) -> dict[str, Any]:
    """The body of CreateProcessingJob: our container evaluates and packages what the training job left."""
    inputs = [_input("artifact", "artifact", order.artifact)]
    inputs += [_input(name, f"data/{name}", place) for name, place in channels(order.data, EVALUATED).items()]
    settings = {"task": order.task.value, "model_name": order.model_name, "labels": "\n".join(order.labels)}
    output = {
        "S3Uri": f"s3://{site.bucket}/{evaluation_folder(order.name)}",
        "LocalPath": f"{PROCESSING}/output",
        "S3UploadMode": "EndOfJob",
    }
    return {
        "ProcessingJobName": order.name,
        "AppSpecification": {"ImageUri": site.container_image, "ContainerArguments": ["evaluate"]},
        "Environment": {f"BINSIGHT_{name.upper()}": value for name, value in settings.items() if value},
        "RoleArn": site.role_arn,
        "ProcessingInputs": inputs,
        "ProcessingOutputConfig": {"Outputs": [{"OutputName": "evaluated", "S3Output": output}]},
        "ProcessingResources": {
            "ClusterConfig": {
                "InstanceType": EVALUATION_INSTANCE,
                "InstanceCount": 1,
                "VolumeSizeInGB": EVALUATION_DISK_GB,
            }
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": EVALUATION_MAX_S},
        "Tags": [{"Key": "application", "Value": "binsight"}],
    }


def evaluation_folder(evaluation: str) -> str:
    """Where an evaluation leaves its files in the bucket."""
    return f"jobs/{evaluation}/output"


def channels(data: Mapping[str, str], names: tuple[str, ...]) -> dict[str, str]:
    """Of a whole set, its folders of these names; else the channels as they were given."""
    if WHOLE_SET not in data:
        return dict(data)
    whole = data[WHOLE_SET].rstrip("/")
    return {name: f"{whole}/{name}" for name in names} | {name: place for name, place in data.items() if name}


def algorithm_of(image: str, site_image: str) -> str:
    """What an image runs: the repository's name without account, Region and tag; ours goes by our own name."""
    if image == site_image:
        return "binsight"
    return image.rpartition("/")[2].partition("@")[0].partition(":")[0]


def s3_data(channels: list[Mapping[str, Any]]) -> dict[str, str]:
    """Channel to place, as DescribeTrainingJob tells it."""
    sources = {each["ChannelName"]: each["DataSource"].get("S3DataSource", {}).get("S3Uri", "") for each in channels}
    return {name: place for name, place in sources.items() if place}


def algorithm(definition: JobDefinition, site: TrainingSite) -> dict[str, Any]:
    """AlgorithmSpecification. Built-in algorithms print metrics that SageMaker knows; ours are in the definition."""
    mode = definition.document.get("channels", {}).get("input_mode", "File")
    specification = {"TrainingImage": site.image(definition.algorithm), "TrainingInputMode": mode}
    metrics = [{"Name": name, "Regex": pattern} for name, pattern in definition.document.get("metrics", {}).items()]
    return {**specification, "MetricDefinitions": metrics} if metrics else specification


def tags(definition: JobDefinition) -> list[dict[str, str]]:
    return [{"Key": "application", "Value": "binsight"}, {"Key": "definition", "Value": definition.name}]


def channel(name: str, place: str, definition: JobDefinition) -> dict[str, Any]:
    """One of InputDataConfig: photos as files, or piped in from the manifest that the definition names."""
    piped = definition.document.get("channels")
    if piped:
        return _piped(name, place, piped)
    source = {"S3DataType": "S3Prefix", "S3Uri": place, "S3DataDistributionType": "FullyReplicated"}
    files: dict[str, Any] = {"ChannelName": name, "DataSource": {"S3DataSource": source}}
    return {**files, "ContentType": "application/x-image"} if definition.algorithm in BUILT_IN else files


def _piped(name: str, place: str, piped: Mapping[str, Any]) -> dict[str, Any]:
    manifest = str(piped["manifest"])
    source = {
        "S3DataType": "AugmentedManifestFile",
        "S3Uri": place if place.endswith((".manifest", ".jsonl")) else f"{place.rstrip('/')}/{manifest}",
        "S3DataDistributionType": "FullyReplicated",
        "AttributeNames": list(piped["attributes"]),
    }
    described = {
        "ChannelName": name,
        "DataSource": {"S3DataSource": source},
        "ContentType": piped["content_type"],
        "RecordWrapperType": piped.get("record_wrapper", "None"),
        "InputMode": piped["input_mode"],
    }
    return {**described, "ShuffleConfig": {"Seed": SHUFFLE_SEED}} if name == "train" else described


def _trained_on(order: JobOrder) -> dict[str, str]:
    return channels(order.data, LISTED if order.definition.algorithm == "image-classification" else TRAINED)


def _input(name: str, folder: str, place: str) -> dict[str, Any]:
    return {
        "InputName": name,
        "S3Input": {
            "S3Uri": place,
            "LocalPath": f"{PROCESSING}/input/{folder}",
            "S3DataType": "S3Prefix",
            "S3InputMode": "File",
        },
    }
