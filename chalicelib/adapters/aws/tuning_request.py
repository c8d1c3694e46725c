"""From an order to the body of CreateHyperParameterTuningJob: a training job's, and what its definition tunes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chalicelib.adapters.aws.training_request import TrainingSite, tags, training_request
from chalicelib.domain.errors import InvalidFieldError
from chalicelib.domain.training_job import JobOrder

LONGEST_NAME = 32
SCALES = {"linear": "Linear", "logarithmic": "Logarithmic"}
# Of the training job's request: no checkpoints, as the jobs of a tuning would all write them to one place.
OF_EACH_JOB = (
    "AlgorithmSpecification",
    "RoleArn",
    "InputDataConfig",
    "OutputDataConfig",
    "ResourceConfig",
    "StoppingCondition",
    "EnableManagedSpotTraining",
)


def tuning_request(order: JobOrder, site: TrainingSite) -> dict[str, Any]:
    """Raises: InvalidFieldError, for a definition that tunes nothing."""
    tuning = order.definition.document.get("tuning")
    if not tuning:
        reason = f"'{order.definition.name}' says nothing of tuning; take another definition."
        raise InvalidFieldError(f"job: {reason}", errors=[{"field": "job", "reason": reason}])
    request = training_request(order, site)
    tuned = tuning["ranges"]
    fixed = {name: value for name, value in request["HyperParameters"].items() if name not in tuned}
    job = {name: request[name] for name in OF_EACH_JOB if name in request}
    return {
        "HyperParameterTuningJobName": tuning_name(order.name),
        "HyperParameterTuningJobConfig": {
            "Strategy": "Bayesian",
            "HyperParameterTuningJobObjective": {"Type": tuning["goal"], "MetricName": tuning["objective"]},
            "ResourceLimits": {
                "MaxNumberOfTrainingJobs": tuning["max_jobs"],
                "MaxParallelTrainingJobs": tuning["max_parallel_jobs"],
            },
            "ParameterRanges": parameter_ranges(tuned),
            "TrainingJobEarlyStoppingType": "Auto",
        },
        "TrainingJobDefinition": {**job, "StaticHyperParameters": fixed},
        "Tags": tags(order.definition),
    }


def tuning_name(job: str) -> str:
    """Shorter than a training job's may be; what tells it from others stands at its end."""
    word, _, unique = job.rpartition("-")
    unique = unique[-LONGEST_NAME // 2 :]
    return f"{word[: LONGEST_NAME - 1 - len(unique)].rstrip('-')}-{unique}"


def parameter_ranges(ranges: Mapping[str, Mapping[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """As the definition has them, sorted by kind."""
    found: dict[str, list[dict[str, Any]]] = {}
    for name, each in ranges.items():
        if each["type"] == "categorical":
            found.setdefault("CategoricalParameterRanges", []).append({"Name": name, "Values": list(each["values"])})
            continue
        scale = SCALES[each.get("scale", "linear")]
        limits = {"Name": name, "MinValue": str(each["low"]), "MaxValue": str(each["high"]), "ScalingType": scale}
        kind = "ContinuousParameterRanges" if each["type"] == "continuous" else "IntegerParameterRanges"
        found.setdefault(kind, []).append(limits)
    return found
