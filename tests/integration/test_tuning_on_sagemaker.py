"""A tuning job on SageMaker: its price before it, its request, its end."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.adapters.job_definitions import JobFiles
from chalicelib.domain.cost import sagemaker_training
from scripts.tune_on_sagemaker import TuningError, follow, price_of, site_of, with_trials
from training.stage import StageError

REQUEST = {"HyperParameterTuningJobName": "binsight-bins-1"}
BEST = {
    "TrainingJobName": "binsight-bins-1-007",
    "TunedHyperParameters": {"learning_rate": '"0.0007"', "epochs": "9"},
    "FinalHyperParameterTuningJobObjectiveMetric": {"MetricName": "validation:rmse", "Value": 0.98},
}


class SageMaker:
    """SageMaker's client: one tuning job, which is described as it was told."""

    def __init__(self, *answers: dict[str, Any]) -> None:
        self.answers = list(answers)
        self.created: list[dict[str, Any]] = []

    def create_hyper_parameter_tuning_job(self, **request: Any) -> None:
        self.created.append(request)

    def describe_hyper_parameter_tuning_job(self, **request: Any) -> dict[str, Any]:
        assert request == REQUEST
        return {"TrainingJobStatusCounters": {"Completed": 1}, **self.answers.pop(0)}


def test_a_tuning_is_followed_to_its_best_values(capsys: pytest.CaptureFixture[str]) -> None:
    waited: list[float] = []
    under_way = {"HyperParameterTuningJobStatus": "InProgress"}
    client = SageMaker(under_way, {"HyperParameterTuningJobStatus": "Completed", "BestTrainingJob": BEST})
    assert follow(client, REQUEST, waited.append) == {"learning_rate": "0.0007", "epochs": "9"}
    assert client.created == [REQUEST]
    assert len(waited) == 1
    assert "binsight-bins-1-007: validation:rmse 0.98" in capsys.readouterr().out


def test_a_tuning_without_a_best_job_says_why() -> None:
    client = SageMaker({"HyperParameterTuningJobStatus": "Failed", "FailureReason": "all training jobs failed"})
    with pytest.raises(TuningError, match="binsight-bins-1: all training jobs failed"):
        follow(client, REQUEST, lambda seconds: None)


def test_the_price_is_that_of_all_jobs() -> None:
    definition = JobFiles()("bins")
    jobs = definition.document["tuning"]["max_jobs"]
    assert price_of(definition).most_usd == pytest.approx(sagemaker_training(definition).most_usd * jobs)
    assert with_trials(definition.document, 3)["tuning"]["max_jobs"] == 3


def test_a_stage_without_an_image_is_refused() -> None:
    with pytest.raises(StageError, match="BINSIGHT_IMAGE"):
        site_of("dev", "s3://photos/data", None, {"BINSIGHT_ROLE": "arn:aws:iam::1:role/x"})
    environ = {"BINSIGHT_ROLE": "arn:aws:iam::1:role/x", "BINSIGHT_IMAGE": "1.dkr.ecr/binsight:1"}
    assert site_of("dev", "s3://photos/data", None, environ).bucket == "photos"
