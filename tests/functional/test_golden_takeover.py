"""The evaluation program answers the golden pool; the service takes its answers and holds the endpoint to them."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from chalicelib.adapters.golden_pools import PackagedPools
from chalicelib.domain import fleet_records
from chalicelib.domain.distance import distance
from chalicelib.domain.inference import Task
from device.runtime.artifact import unpack
from device.runtime.predictor import Predictor
from tests.functional.training_jobs import training_service
from training.golden import ANSWERS_NAME, POOLS, newest_pool, write_golden_answers


def evaluated(folder: Path, archive: Path) -> Path:
    """The artifact with its answers beside it, as the evaluation program leaves them."""
    unpack(archive, folder / "model")
    artifact = Path(shutil.copy(archive, folder / "model.tar.gz"))
    predictor = Predictor.load(folder / "model")
    pool = newest_pool(POOLS, predictor.manifest.task)
    assert pool is not None
    digest = archive_digest(artifact)
    write_golden_answers(predictor, pool, digest, folder / ANSWERS_NAME)
    return artifact


def archive_digest(artifact: Path) -> str:
    return hashlib.sha256(artifact.read_bytes()).hexdigest()


def test_a_trained_model_comes_with_its_answers_and_the_endpoint_is_held_to_them(
    tmp_path: Path, archives: dict[str, Path]
) -> None:
    artifact = evaluated(tmp_path / "evaluated", archives["classify"])
    (tmp_path / "photos").mkdir()
    with training_service(tmp_path / "service", artifact) as training:
        client, store = training.service.client, training.service.services.training.store
        begun = client.post("/models", {"job": "waste", "data": str(tmp_path / "photos")}).json()
        assert training.until(begun["id"], "ready", "failed")["state"] == "ready"
        key = fleet_records.pool_key("classify-1", archive_digest(artifact))
        answers = store.get(key).body["answers"]
        pools = PackagedPools()
        assert set(answers) == {photo.id for photo in pools.of(Task.CLASSIFY).photos}
        client.post(f"/models/{begun['id']}/approve", {"reason": "answers known", "override": True})
        assert client.post("/deploy", {"model": begun["id"]}).json()["state"] == "succeeded"
        photo = next(iter(answers))
        answer = client.call("POST", "/classify", pools.read(photo), {"Content-Type": "image/png"}).json()
        assert distance(Task.CLASSIFY, answer, answers[photo]) < 1e-3
