"""How many photos a figure would take, if it went on as it did: a straight line over the doublings of the photos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
DRAWS = 4000
EDGES = (2.5, 97.5)
WIDTH_OF_95 = 3.92  # of an interval, in standard deviations
MOST_DOUBLINGS = 20.0  # beyond the largest part; more says no more than that it does not get there


@dataclass(frozen=True)
class Needed:
    """`most`: None where the figures allow that it never gets there."""

    photos: int
    least: int
    most: int | None

    def text(self, aim: float) -> str:
        most = f"{self.most:,}" if self.most else "any number"
        return f"If it goes on like this, {aim:g} takes about {self.photos:,} photos (95%: {self.least:,} to {most})."


def photos_needed(
    photos: Sequence[int], values: Sequence[float], deviations: Sequence[float], aim: float
) -> Needed | None:
    """`deviations`: standard errors of `values`, taken as independent, which is on the safe side for one set of photos.

    None, where fewer than two sizes are known or the line does not rise: then no number of photos is enough.
    """
    doublings, known = np.log2(np.asarray(photos, dtype=float)), np.asarray(values, dtype=float)
    errors = np.maximum(np.asarray(deviations, dtype=float), 1e-6)
    if len(set(photos)) < 2:
        return None
    largest = float(doublings.max())
    found = _reached(doublings, known[None], errors, aim, largest)[0]
    if not np.isfinite(found):
        return None
    drawn = np.random.default_rng(0).normal(known, errors, (DRAWS, len(known)))
    low, high = np.percentile(_reached(doublings, drawn, errors, aim, largest), EDGES, method="nearest")
    return Needed(_rounded(found), _rounded(low), _rounded(high) if np.isfinite(high) else None)


def _reached(doublings: Floats, values: Floats, errors: Floats, aim: float, largest: float) -> Floats:
    """For each row of values where its line reaches the aim; infinity, where it does not rise that far."""
    weights = 1 / errors**2
    middle = float((weights * doublings).sum() / weights.sum())
    spread = float((weights * (doublings - middle) ** 2).sum())
    level = (weights * values).sum(axis=1) / weights.sum()
    slope = (weights * (doublings - middle) * values).sum(axis=1) / spread
    with np.errstate(divide="ignore", invalid="ignore"):
        place = np.where(slope > 0, middle + (aim - level) / slope, np.inf)
    reached: Floats = np.where(place <= largest + MOST_DOUBLINGS, place, np.inf)
    return reached


def _rounded(doublings: float) -> int:
    """To two digits: no extrapolation knows more."""
    photos = float(2**doublings)
    step = 10 ** max(0, int(np.floor(np.log10(max(photos, 1)))) - 1)
    return int(round(photos / step) * step)
