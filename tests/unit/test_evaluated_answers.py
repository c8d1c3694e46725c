"""Answers to the golden pool that come with an evaluation: taken over when they are the model's, left when not."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from chalicelib.domain import fleet_records
from chalicelib.domain.errors import RecordNotFoundError
from chalicelib.domain.evaluated_answers import evaluated_answers
from chalicelib.domain.inference import Task
from chalicelib.domain.model import ModelState
from chalicelib.domain.training_job import JobState
from chalicelib.services.training import TrainingRequest
from tests.unit.job_fakes import Registry
from tests.unit.promotion_world import Pools, answer_of

POOL = Pools().of(Task.CLASSIFY)
DIGEST = hashlib.sha256(b"packed").hexdigest()
ANSWERS = {photo.id: {"probabilities": answer_of(DIGEST, photo.id)["probabilities"]} for photo in POOL.photos}


def content(**changes: Any) -> bytes:
    return json.dumps({"schema": 1, "pool": "classify-1", "digest": DIGEST, "answers": ANSWERS, **changes}).encode()


def evaluated_with(answers: bytes) -> Registry:
    registry = Registry()
    run = registry.training.start(TrainingRequest("waste", {"": "/photos"}), "me").run
    assert run is not None
    registry.runner.ends(run.job, JobState.COMPLETED)
    registry.progress.tick()
    registry.blobs.files |= {"out/model": b"packed", "out/golden": answers}
    registry.runner.evaluated({"model.tar.gz": "out/model", "golden-answers.json": "out/golden"})
    registry.progress.tick()
    assert registry.models.get("waste-1").state is ModelState.READY
    return registry


def test_a_model_is_ready_with_its_answers_known() -> None:
    registry = evaluated_with(content())
    kept = registry.store.get(fleet_records.pool_key("classify-1", DIGEST)).body["answers"]
    assert kept == ANSWERS


def test_a_model_whose_answers_cannot_be_used_is_ready_and_asked_later() -> None:
    registry = evaluated_with(b"not JSON")
    with pytest.raises(RecordNotFoundError):
        registry.store.get(fleet_records.pool_key("classify-1", DIGEST))


@pytest.mark.parametrize(
    "given",
    [
        b"\xff\xfe",
        b"[]",
        content(schema=2),
        content(pool="classify-2"),
        content(digest="0" * 64),
        content(answers=[]),
        content(answers={id_: ANSWERS[id_] for id_ in list(ANSWERS)[1:]}),
        content(answers={**ANSWERS, POOL.photos[0].id: {"probabilities": {"compost": "much"}}}),
        content(answers={**ANSWERS, POOL.photos[0].id: {}}),
    ],
    ids=["bytes", "list", "future", "pool", "artifact", "no-map", "one-missing", "no-number", "empty"],
)
def test_answers_of_another_pool_or_artifact_or_not_whole_are_not_taken(given: bytes) -> None:
    assert evaluated_answers(POOL, DIGEST, given) is None


def test_photos_that_are_not_in_the_pool_are_left_out() -> None:
    given = content(answers={**ANSWERS, "classify-9-00": {"probabilities": {"compost": 1.0}}})
    assert evaluated_answers(POOL, DIGEST, given) == ANSWERS
