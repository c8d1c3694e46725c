"""Structured logs and metrics: the request id in every line, no image bytes, no keys."""

from __future__ import annotations

import logging
from typing import Protocol

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

NAMESPACE = "Binsight"
logger = Logger(service="binsight", level="INFO")


class RequestRecorder(Protocol):
    def __call__(self, route: str, status: int, duration_ms: float) -> None:
        """One answered request."""


def record_nothing(route: str, status: int, duration_ms: float) -> None:
    """Embedded: nobody collects metrics from standard output there."""


class EmfRecorder:
    """A line in CloudWatch's embedded metric format for each request. Lambda runs one request at a time."""

    def __init__(self) -> None:
        self._metrics = Metrics(namespace=NAMESPACE, service="binsight")

    def __call__(self, route: str, status: int, duration_ms: float) -> None:
        self._metrics.add_dimension(name="route", value=route)
        self._metrics.add_metric(name="Requests", unit=MetricUnit.Count, value=1)
        self._metrics.add_metric(name="ClientErrors", unit=MetricUnit.Count, value=int(400 <= status < 500))
        self._metrics.add_metric(name="ServerErrors", unit=MetricUnit.Count, value=int(status >= 500))
        self._metrics.add_metric(name="Latency", unit=MetricUnit.Milliseconds, value=duration_ms)
        self._metrics.flush_metrics()


def configure_logging() -> None:
    """Every logger of the process writes as ours does, so that each line carries the request id."""
    root = logging.getLogger()
    root.handlers = [logger.registered_handler]
    root.setLevel(logging.INFO)
    logging.getLogger("binsight").propagate = False
