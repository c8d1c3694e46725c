"""Vendor libraries that only a DeepLens or a Pi has, faked as they are known to behave; a service and two models."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any, Iterator

import pytest

from tests.device.agents import Made, packed
from tests.device.service_stand_in import Service

FAKES = Path(__file__).parent / "fakes"
NAMES = ("awscam", "mo", "greengrasssdk", "sense_hat", "cv2")


@pytest.fixture
def deeplens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """awscam, mo, greengrasssdk and sense_hat can be imported; answers awscam."""
    artifacts = tmp_path / "artifacts"
    artifacts.mkdir()
    monkeypatch.setenv("BINSIGHT_AWSCAM_ARTIFACTS", str(artifacts))
    monkeypatch.setattr("device.runtime.engines.awscam_engine.ARTIFACTS", artifacts)
    monkeypatch.syspath_prepend(str(FAKES))
    kept = {name: sys.modules.pop(name) for name in NAMES if name in sys.modules}
    yield importlib.import_module("awscam")
    for name in NAMES:
        sys.modules.pop(name, None)
    sys.modules.update(kept)


@pytest.fixture
def service() -> Iterator[Service]:
    made = Service()
    with made.stand_in:
        yield made


@pytest.fixture(scope="session")
def first(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return packed(tmp_path_factory.mktemp("first"), "first")


@pytest.fixture(scope="session")
def second(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """The same network, whose labels stand in another order."""
    names = ["compost", "recycling", "landfill"]
    labels = [{"name": name, "color": None, "value": None} for name in names]
    return packed(tmp_path_factory.mktemp("second"), "second", labels=labels)
