from __future__ import annotations

import random

import pytest

from device.runtime.image import open_image
from device.runtime.image_header import InvalidImageError, read_header
from device.runtime.manifest import InputSpec
from tests.corpus import Case, corpus

SPEC = InputSpec("data", 32, 32, "RGB", "NCHW", "squash")
CASES = corpus()


def answer(body: bytes, spec: InputSpec) -> str:
    try:
        image = open_image(body, spec)
    except InvalidImageError as error:
        return error.reason
    assert image.mode == "RGB"
    return "ok"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_odd_or_hostile_body_is_answered_as_it_should(case: Case) -> None:
    assert answer(case.body, SPEC) == case.expected


def test_the_corpus_has_many_cases_of_every_answer() -> None:
    assert len(CASES) >= 60
    assert len({case.name for case in CASES}) == len(CASES)
    assert {case.expected for case in CASES} == {
        "ok", "not-an-image", "truncated-image", "unsupported-image", "image-too-large", "image-too-small",
    }  # fmt: skip


@pytest.mark.parametrize(
    "name", ["jpeg", "jpeg progressive", "png", "png interlaced", "png palette", "webp", "webp animated"]
)
def test_random_damage_is_refused_or_decoded_and_raises_nothing_else(name: str) -> None:
    body = {case.name: case.body for case in CASES}[name]
    source = random.Random(name)
    for _ in range(60):
        damaged = bytearray(body)
        for _ in range(source.randrange(1, 6)):
            damaged[source.randrange(len(body))] = source.randrange(256)
        answer(bytes(damaged[: source.randrange(len(body) // 2, len(body) + 1)]), SPEC)


def test_no_prefix_of_a_header_raises_anything_else() -> None:
    for case in CASES:
        for length in range(0, min(400, len(case.body)), 7):
            try:
                read_header(case.body[:length])
            except InvalidImageError:
                continue
