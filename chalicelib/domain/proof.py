"""Proof of running: which golden photos a camera is asked, and whether its answers are those of the model."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chalicelib.domain.distance import distance
from chalicelib.domain.inference import Task

Answer = Mapping[str, Any]
# Photo -> what a model answers to it.
PoolAnswers = Mapping[str, Answer]

SUBSET = 8
DISTINCT_FACTOR = 3.0
# How far an engine's answers may lie from the reference's (onnxruntime on the CPU): total variation, 0-1. The GPU of a
# DeepLens calculates in FP16.
TOLERANCES: Mapping[str, float] = {"onnxruntime": 0.02, "openvino": 0.03, "mxnet": 0.03, "awscam": 0.08}


@dataclass(frozen=True)
class Verdict:
    """`reason` is a slug: `verified`, `answers-of-another-model`, `answers-of-no-known-model`, `answers-missing`."""

    is_verified: bool
    reason: str
    distance: float | None = None


def nonce_of(secret: bytes, device_id: str, boot: str, deployment: str, digest: str, rivals: Sequence[str] = ()) -> str:
    """32 hex digits that only the server can make; the same for the same question, so that a target is pure.

    `rivals`: other photos are asked where the model is to be told from others.
    """
    message = "\n".join((device_id, boot, deployment, digest, *rivals)).encode()
    return hmac.new(secret, message, hashlib.sha256).hexdigest()[:32]


def subset(nonce: str, photos: Sequence[str], size: int = SUBSET) -> list[str]:
    """The photos of one question, drawn by `nonce`, which only the server could have made."""

    def draw(photo: str) -> bytes:
        return hashlib.sha256(f"{nonce}\n{photo}".encode()).digest()

    return sorted(sorted(photos, key=draw)[:size])


def discriminating(task: Task, new: PoolAnswers, others: Sequence[PoolAnswers], tolerance: float) -> list[str]:
    """The photos to which `new` answers otherwise than each of `others`, by three tolerances or more."""
    least = DISTINCT_FACTOR * tolerance
    return [
        photo for photo in new if all(distance(task, answer, new[photo]) >= least for answer in _answers(others, photo))
    ]


def askable(task: Task, new: PoolAnswers, others: Sequence[PoolAnswers], tolerance: float) -> list[str]:
    """The photos to draw from: each of them tells `new` from as many of `others` as leave enough photos to ask.

    The first of `others` is the likeliest, and comes before the rest: one that is hardly told apart does not make all
    of them harder to tell.
    """
    telling = list(new)
    for other in others:
        apart = set(discriminating(task, new, [other], tolerance))
        narrowed = [photo for photo in telling if photo in apart]
        telling = narrowed if len(narrowed) >= SUBSET else telling
    return telling


def judge(
    task: Task,
    asked: Sequence[str],
    answered: Mapping[str, Answer],
    new: PoolAnswers,
    others: Sequence[PoolAnswers],
    tolerance: float,
) -> Verdict:
    """Verified: every answer lies within `tolerance` of the model's, and together nearer to it than to any other's."""
    if any(photo not in answered for photo in asked):
        return Verdict(False, "answers-missing")
    away = [distance(task, answered[photo], new[photo]) for photo in asked]
    mean = sum(away) / len(away)
    if any(_is_nearer(task, asked, answered, other, new, mean) for other in others):
        return Verdict(False, "answers-of-another-model", mean)
    if max(away) > tolerance:
        return Verdict(False, "answers-of-no-known-model", mean)
    return Verdict(True, "verified", mean)


def _is_nearer(
    task: Task, asked: Sequence[str], answered: Mapping[str, Answer], other: PoolAnswers, new: PoolAnswers, mean: float
) -> bool:
    """Nearer to the other model, or as near where the two can be told apart."""
    common = [photo for photo in asked if photo in other]
    if not common:
        return False
    to_other = sum(distance(task, answered[photo], other[photo]) for photo in common) / len(common)
    apart = sum(distance(task, new[photo], other[photo]) for photo in common) / len(common)
    return to_other < mean or (to_other == mean and apart > 0)


def _answers(others: Sequence[PoolAnswers], photo: str) -> list[Answer]:
    return [other[photo] for other in others if photo in other]
