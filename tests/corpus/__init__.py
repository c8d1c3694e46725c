"""Odd and hostile images and bodies, made in code; what each should be answered with.

Needs Pillow and the standard library, Python 3.7 or newer.
"""

from __future__ import annotations

from functools import lru_cache

from tests.corpus.case import OK, Case
from tests.corpus.foreign import foreign
from tests.corpus.jpegs import jpegs
from tests.corpus.pngs import pngs
from tests.corpus.webps import webps

__all__ = ["OK", "Case", "corpus"]


@lru_cache(maxsize=1)
def _cases() -> tuple[Case, ...]:
    return (*jpegs(), *pngs(), *webps(), *foreign())


def corpus() -> list[Case]:
    return list(_cases())
