"""The DeepLens' entry where Greengrass still runs: JSON on the thing's topic, and an end when a thread has crashed."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any, List

import pytest

from tests.device.agents import until
from tests.device.service_stand_in import Service
from tests.device.test_station import agent_json, promoted


def test_greengrass_hears_json_on_the_things_topic(
    tmp_path: Path, service: Service, deeplens: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    promoted(tmp_path, service)
    monkeypatch.setenv("AWS_IOT_THING_NAME", "deeplens_abc")
    lambda_function = importlib.import_module("device.lambda_function")
    station = lambda_function.start_for_greengrass(agent_json(tmp_path, service))
    published = importlib.import_module("greengrasssdk").published
    until(lambda: len(published) >= 2)
    station.stop()
    assert lambda_function.lambda_handler({}, None) is None
    topic, payload = published[0]
    assert topic == "$aws/things/deeplens_abc/infer"
    assert json.loads(payload)["object"] in ("landfill", "compost")


def test_a_lambda_whose_thread_crashes_ends_so_that_greengrass_starts_it_again(
    tmp_path: Path, service: Service, deeplens: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    promoted(tmp_path, service)
    monkeypatch.setenv("AWS_IOT_THING_NAME", "deeplens_abc")
    monkeypatch.setattr(importlib.import_module("greengrasssdk"), "client", lambda name: None)
    ended: List[int] = []
    lambda_function = importlib.import_module("device.lambda_function")
    station = lambda_function.start_for_greengrass(agent_json(tmp_path, service), ended.append)
    until(lambda: ended == [1])
    assert "has no attribute 'publish'" in station.crashes.last_words()
    station.crashes.stop()
