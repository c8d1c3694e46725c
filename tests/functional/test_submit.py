"""`python -m training.submit --stage embedded`: a job through the service, followed, and its artifact fetched."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from scripts.service_process import Client as ServiceClient
from tests.functional.service import ADMIN_KEY, Service
from tests.functional.training_jobs import training_service
from training import follow, submit
from training.definition import FOLDER


def test_a_job_goes_through_the_embedded_service(
    tmp_path: Path, archives: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow, "POLL_S", 0.05)
    (tmp_path / "photos").mkdir()
    with training_service(tmp_path / "service", archives["classify"]) as training:
        monkeypatch.setenv("BINSIGHT_URL", f"http://127.0.0.1:{training.service.settings.port}")
        monkeypatch.setenv("BINSIGHT_KEY", ADMIN_KEY)
        options = ["--job", str(FOLDER / "waste.json"), "--data", str(tmp_path / "photos"), "--stage", "embedded"]
        with ThreadPoolExecutor(1) as pool:
            submitted = pool.submit(submit.main, [*options, "--out", str(tmp_path / "out"), "--set=seconds=0.1"])
            while not submitted.done():
                training.step()
                time.sleep(0.02)
        assert submitted.result() == 0
        model = training.service.client.get("/models/waste-1").json()
    assert model["lineage"]["hyperparameters"] == {"epochs": "3", "seed": "0", "seconds": "0.1"}
    assert (tmp_path / "out" / "model.tar.gz").read_bytes() == archives["classify"].read_bytes()


def test_the_service_of_this_machine_is_asked_past_a_proxy(
    serving: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    client = ServiceClient(f"http://127.0.0.1:{serving.client.port}", ADMIN_KEY)
    assert client.call("GET", "/health")["status"] == "ok"
    follow.Follower(client).download("waste-1", tmp_path / "model.tar.gz")
    assert (tmp_path / "model.tar.gz").stat().st_size > 0


def test_a_job_that_fails_leaves_no_artifact_and_its_reason(
    tmp_path: Path,
    archives: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(follow, "POLL_S", 0.05)
    (tmp_path / "photos").mkdir()
    with training_service(tmp_path / "service", archives["classify"]) as training:
        monkeypatch.setenv("BINSIGHT_URL", f"http://127.0.0.1:{training.service.settings.port}")
        monkeypatch.setenv("BINSIGHT_KEY", ADMIN_KEY)
        options = ["--job", str(FOLDER / "waste.json"), "--data", str(tmp_path / "photos"), "--stage", "embedded"]
        with ThreadPoolExecutor(1) as pool:
            submitted = pool.submit(submit.main, [*options, "--out", str(tmp_path / "out"), "--set=failure=no-memory"])
            while not submitted.done():
                training.step()
                time.sleep(0.02)
    assert submitted.result() == 1
    assert "waste-1 is failed: no-memory" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
