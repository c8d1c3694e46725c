"""95% intervals of figures, by drawing the photos anew again and again."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]
ROUNDS = 300
PERCENTILES = (2.5, 97.5)


def bootstrap_intervals(
    figures: Mapping[str, Callable[[Rows], float | None]], strata: Sequence[int] | Rows, rounds: int = ROUNDS
) -> dict[str, list[float]]:
    """[low, high] of each figure of drawn rows; every stratum keeps its number of rows.

    A figure that some draw leaves without a value (None) is left out. The same rows give the same intervals.
    """
    random = np.random.default_rng(0)
    members = [np.flatnonzero(np.asarray(strata) == stratum) for stratum in np.unique(strata)]
    values: dict[str, list[float | None]] = {name: [] for name in figures}
    for _ in range(rounds):
        drawn = np.concatenate([random.choice(some, len(some)) for some in members])
        for name, figure in figures.items():
            values[name].append(figure(drawn))
    known = {name: [value for value in found if value is not None] for name, found in values.items()}
    return {name: _interval(found) for name, found in known.items() if len(found) == rounds}


def wilson_interval(right: int, asked: int) -> list[float]:
    """95% interval of a share, also where all were right or few were asked. Source: E. B. Wilson, 1927."""
    z = 1.96
    share, scale = right / asked, 1 + z * z / asked
    middle = (share + z * z / (2 * asked)) / scale
    reach = z * float(np.sqrt(share * (1 - share) / asked + z * z / (4 * asked * asked))) / scale
    return [round(max(0.0, middle - reach), 4), round(min(1.0, middle + reach), 4)]


def _interval(values: Sequence[float]) -> list[float]:
    return [round(float(edge), 4) for edge in np.percentile(values, PERCENTILES)]
