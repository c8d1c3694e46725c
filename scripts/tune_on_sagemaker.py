"""A definition's ranges searched by SageMaker: `make tune JOB=training/jobs/bins.json DATA=bins/ STAGE=dev [WRITE=1]`.

Photos are split and uploaded as for a training job; the tuning job is followed, and its best values are printed or
written into the definition, from where `make train` takes them.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.adapters.aws.training_request import TrainingSite
from chalicelib.adapters.aws.tuning_request import tuning_request
from chalicelib.adapters.job_definitions import parse_definition
from chalicelib.domain.cost import Price, check_budget, sagemaker_training
from chalicelib.domain.errors import BinsightError
from chalicelib.domain.training_job import JobDefinition, JobOrder, job_name
from training import submit
from training.datasets.photo_set import DatasetError
from training.definition import DefinitionError, load
from training.stage import StageError, stack_outputs
from training.trial import write_recipe

POLL_S = 30.0
BUDGET_USD = 25.0
UNDER_WAY = ("InProgress", "Stopping")


class TuningError(RuntimeError):
    """The tuning ended without a best training job; the message has SageMaker's reason."""


def main(arguments: Sequence[str] | None = None) -> int:
    known = submit.parser()
    known.add_argument("--trials", type=int, default=0, help="default: the definition's max_jobs")
    known.add_argument("--write", action="store_true", help="write the best values into the definition")
    options = known.parse_args(arguments)
    try:
        best = run(options)
    except (
        BinsightError,
        DefinitionError,
        DatasetError,
        StageError,
        TuningError,
        BotoCoreError,
        ClientError,
        OSError,
    ) as error:
        print(f"not tuned: {error}", file=sys.stderr)
        return 1
    print(" ".join(f"--set {name}={value}" for name, value in best.items()))
    if options.write:
        write_recipe(options.job, best, options.pretrained is not None)
    return 0


def run(options: argparse.Namespace) -> dict[str, str]:
    import boto3

    ours = load(options.job)
    definition = parse_definition(ours.name, with_trials(ours.document, options.trials))
    price = price_of(definition)
    check_budget(price, BUDGET_USD, options.allow_over_budget)
    print(f"{price.most_usd:.2f} USD at the most ({price.source}, {price.as_of})", flush=True)
    options.out = options.out or Path("build") / ours.name
    _, places, more = submit.uploaded(ours, options)
    chosen = {**definition.recipe(places), **more, "seed": str(options.seed)}
    order = JobOrder(job_name(definition.name[:36], secrets.token_hex(8)), definition, places, chosen)
    request = tuning_request(order, site_of(options.stage, places[""], boto3.client("cloudformation")))
    return follow(boto3.client("sagemaker"), request, time.sleep)


def with_trials(document: Mapping[str, Any], trials: int) -> dict[str, Any]:
    if not trials or "tuning" not in document:
        return dict(document)
    return {**document, "tuning": {**document["tuning"], "max_jobs": trials}}


def price_of(definition: JobDefinition) -> Price:
    """Of all jobs together, each as long as it may run."""
    one = sagemaker_training(definition)
    jobs = definition.document.get("tuning", {}).get("max_jobs", 1)
    return Price(one.hourly_usd, one.hours * jobs, one.as_of, one.source)


def site_of(stage: str, place: str, stacks: Any, environ: Mapping[str, str] = os.environ) -> TrainingSite:
    """Raises: StageError, where role or image of the stage are not known."""
    role = environ.get("BINSIGHT_ROLE") or stack_outputs(stage, stacks).get("SageMakerRoleArn", "")
    image = environ.get("BINSIGHT_IMAGE", "")
    if not role or not image:
        raise StageError(
            f"stage {stage}: set BINSIGHT_IMAGE to the training image, and BINSIGHT_ROLE where no stack has it"
        )
    region = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or "us-east-1"
    return TrainingSite(region, place.removeprefix("s3://").partition("/")[0], role, image)


def follow(sagemaker: Any, request: Mapping[str, Any], sleep: Callable[[float], None]) -> dict[str, str]:
    """Starts the tuning job and answers its best values. Raises: TuningError."""
    name = request["HyperParameterTuningJobName"]
    sagemaker.create_hyper_parameter_tuning_job(**request)
    while True:
        job = sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
        print(
            f"{name}: {job['HyperParameterTuningJobStatus']} {json.dumps(job['TrainingJobStatusCounters'])}", flush=True
        )
        if job["HyperParameterTuningJobStatus"] not in UNDER_WAY:
            break
        sleep(POLL_S)
    best = job.get("BestTrainingJob", {})
    if not best.get("TunedHyperParameters"):
        raise TuningError(f"{name}: {job.get('FailureReason') or job['HyperParameterTuningJobStatus']}")
    metric = best.get("FinalHyperParameterTuningJobObjectiveMetric", {})
    print(f"{best['TrainingJobName']}: {metric.get('MetricName')} {metric.get('Value')}")
    return {key: value.strip('"') for key, value in best["TunedHyperParameters"].items()}


if __name__ == "__main__":
    sys.exit(main())
