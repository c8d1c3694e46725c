"""The answers to the golden pool that an evaluation leaves beside its artifact, read with distrust."""

from __future__ import annotations

import json
from typing import Any

from chalicelib.domain.distance import distance
from chalicelib.domain.golden import GoldenPool
from chalicelib.domain.proof import PoolAnswers

SCHEMA = 1
# Some hundred bytes a photo; a detector's twenty boxes, two thousand.
MAX_BYTES = 1 << 20
_MALFORMED = 1.0


def evaluated_answers(pool: GoldenPool, digest: str, content: bytes) -> PoolAnswers | None:
    """None when they are of another pool or artifact, not whole, or not answers: then the endpoint is asked instead."""
    document = _parsed(content)
    if (document.get("schema"), document.get("pool"), document.get("digest")) != (SCHEMA, pool.name, digest):
        return None
    answers = document.get("answers")
    if not isinstance(answers, dict):
        return None
    found = {photo.id: answers.get(photo.id) for photo in pool.photos}
    whole = {id_: answer for id_, answer in found.items() if isinstance(answer, dict)}
    is_sound = all(distance(pool.task, answer, answer) < _MALFORMED for answer in whole.values())
    return whole if is_sound and len(whole) == len(found) else None


def _parsed(content: bytes) -> dict[str, Any]:
    try:
        document = json.loads(content)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
