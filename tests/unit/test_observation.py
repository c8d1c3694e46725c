"""One line in CloudWatch's embedded metric format for each request."""

from __future__ import annotations

import json

import pytest

from chalicelib.api.observation import EmfRecorder


@pytest.mark.parametrize(("status", "errors"), [(200, (0, 0)), (404, (1, 0)), (502, (0, 1))])
def test_a_request_is_counted_once_and_as_what_it_was(
    capsys: pytest.CaptureFixture[str], status: int, errors: tuple[int, int]
) -> None:
    EmfRecorder()("POST /classify", status, 12.3456)
    line = json.loads(capsys.readouterr().out)
    assert (line["Requests"], line["ClientErrors"], line["ServerErrors"]) == (1, *errors)
    assert (line["service"], line["route"], line["Latency"]) == ("binsight", "POST /classify", 12.346)


def test_every_metric_and_dimension_that_is_announced_has_its_value(capsys: pytest.CaptureFixture[str]) -> None:
    EmfRecorder()("GET /health", 200, 1.0)
    line = json.loads(capsys.readouterr().out)
    (announced,) = line["_aws"]["CloudWatchMetrics"]
    assert announced["Namespace"] == "Binsight"
    assert line["_aws"]["Timestamp"] > 1_600_000_000_000
    assert all(isinstance(line[metric["Name"]], int | float) for metric in announced["Metrics"])
    assert all(isinstance(line[name], str) for names in announced["Dimensions"] for name in names)
