"""The Lambda entries that no request calls: the schedule and SageMaker's events."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from chalicelib.bootstrap import embedded_services
from tests.functional.service import settings_of


class Followed:
    """In the place of the use cases: what they were told."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.ticks = 0

    def follow(self, name: str) -> None:
        self.names.append(name)

    def tick(self) -> int:
        self.ticks += 1
        return 0


@pytest.fixture
def lambda_app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.setenv("BINSIGHT_HOME", str(tmp_path / "home"))
    sys.modules.pop("app", None)
    yield importlib.import_module("app")
    sys.modules.pop("app", None)


@pytest.fixture
def followed(lambda_app: ModuleType, tmp_path: Path) -> Followed:
    followed = Followed()
    services = embedded_services(settings_of(tmp_path / "home"))
    training: Any = replace(services.training, progress=followed)  # type: ignore[arg-type]
    lambda_app.app._make_services = lambda: replace(services, training=training)
    return followed


def event(kind: str, detail: dict[str, str]) -> dict[str, Any]:
    return {
        "version": "0",
        "account": "123456789012",
        "region": "eu-west-1",
        "id": "1",
        "source": "aws.sagemaker",
        "detail-type": f"SageMaker {kind} State Change",
        "detail": detail,
        "time": "2026-01-01T00:00:00Z",
        "resources": [],
    }


@pytest.mark.parametrize(
    ("kind", "detail", "names"),
    [
        ("Training Job", {"TrainingJobName": "binsight-waste-1", "TrainingJobStatus": "Failed"}, ["binsight-waste-1"]),
        ("Processing Job", {"ProcessingJobName": "binsight-evaluate-1"}, ["binsight-evaluate-1"]),
        ("HyperParameter Tuning Job", {"HyperParameterTuningJobName": "tune-1"}, []),
    ],
)
def test_an_event_is_a_hint_to_ask_about_that_job(
    lambda_app: ModuleType, followed: Followed, kind: str, detail: dict[str, str], names: list[str]
) -> None:
    lambda_app.job_changed(event(kind, detail), None)
    assert followed.names == names


def test_the_schedule_ticks(lambda_app: ModuleType, followed: Followed) -> None:
    lambda_app.tick(event("Scheduled Event", {}), None)
    assert followed.ticks == 1


def test_app_py_stays_small() -> None:
    assert len((Path(__file__).parents[2] / "app.py").read_text().splitlines()) < 40
