"""Structured logs and metrics: the request id in every line, no image bytes, no keys."""

from __future__ import annotations

import json
import logging
import time
from typing import Protocol

from aws_lambda_powertools import Logger

NAMESPACE = "Binsight"
SERVICE = "binsight"
METRICS = [
    {"Name": "Requests", "Unit": "Count"},
    {"Name": "ClientErrors", "Unit": "Count"},
    {"Name": "ServerErrors", "Unit": "Count"},
    {"Name": "Latency", "Unit": "Milliseconds"},
]
logger = Logger(service=SERVICE, level="INFO")


class RequestRecorder(Protocol):
    def __call__(self, route: str, status: int, duration_ms: float) -> None:
        """One answered request."""


def record_nothing(route: str, status: int, duration_ms: float) -> None:
    """Embedded: nobody collects metrics from standard output there."""


class EmfRecorder:
    """A line in CloudWatch's embedded metric format for each request (docs/decisions/0022)."""

    def __call__(self, route: str, status: int, duration_ms: float) -> None:
        metrics = {"Namespace": NAMESPACE, "Dimensions": [["service", "route"]], "Metrics": METRICS}
        line = {
            "_aws": {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [metrics]},
            "service": SERVICE,
            "route": route,
            "Requests": 1,
            "ClientErrors": int(400 <= status < 500),
            "ServerErrors": int(status >= 500),
            "Latency": round(duration_ms, 3),
        }
        print(json.dumps(line, separators=(",", ":")))


def configure_logging() -> None:
    """Every logger of the process writes as ours does, so that each line carries the request id."""
    root = logging.getLogger()
    root.handlers = [logger.registered_handler]
    root.setLevel(logging.INFO)
    logging.getLogger("binsight").propagate = False
