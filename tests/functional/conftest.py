"""Small real models, packed once, and a service that serves them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from device.runtime.artifact import pack
from tests.device.models import model_folder
from tests.functional.service import Service, promote, running, settings_of

Archives = dict[str, Path]


@pytest.fixture(scope="session")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Archives:
    """One real artifact a task."""
    folder = tmp_path_factory.mktemp("artifacts")
    packed = {}
    for task in ("classify", "count", "detect"):
        packed[task] = folder / f"{task}.tar.gz"
        pack(model_folder(folder / task, task), packed[task])
    return packed


@pytest.fixture(scope="session")
def serving(tmp_path_factory: pytest.TempPathFactory, archives: Archives) -> Iterator[Service]:
    """All three tasks promoted; shared, so tests add to it and take nothing away."""
    with running(settings_of(tmp_path_factory.mktemp("serving"))) as service:
        for archive in archives.values():
            promote(service.client, archive)
        yield service


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Service]:
    """A service on a new home, without any model."""
    with running(settings_of(tmp_path / "home")) as service:
        yield service
