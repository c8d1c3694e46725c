"""What a model answered, checked before anybody believes it, and calibrated."""

from __future__ import annotations

import math
from typing import Iterable, List, Sequence, Tuple

# FP16 engines and formats with few digits do not add up to one exactly.
_SUM_TOLERANCE = 0.02
_VALUE_TOLERANCE = 0.001


class ModelOutputError(ValueError):
    """A model or an endpoint answered what cannot be an answer. reason: a stable slug."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def checked(values: Iterable[float], length: int) -> List[float]:
    """Raises: ModelOutputError: wrong-length, not-finite or not-probabilities."""
    try:
        found = [float(value) for value in values]
    except (TypeError, ValueError) as error:
        raise ModelOutputError("not-numbers", "the model answered something else than a list of numbers") from error
    if len(found) != length:
        raise ModelOutputError("wrong-length", "the model answered %d values for %d labels" % (len(found), length))
    if not all(math.isfinite(value) for value in found):
        raise ModelOutputError("not-finite", "the model answered NaN or infinity")
    in_range = all(-_VALUE_TOLERANCE <= value <= 1 + _VALUE_TOLERANCE for value in found)
    if not in_range or abs(sum(found) - 1) > _SUM_TOLERANCE:
        raise ModelOutputError("not-probabilities", "the model's values are not probabilities: their sum is not 1")
    return found


def calibrate(probabilities: Sequence[float], temperature: float) -> List[float]:
    """Each to the power of 1 / temperature, normalised again: what dividing the logits by it gives."""
    powers = [max(0.0, value) ** (1 / temperature) for value in _scaled(probabilities)]
    total = sum(powers)
    return [value / total for value in powers]


def ranked(probabilities: Sequence[float]) -> List[Tuple[int, float]]:
    """Index and probability, the most likely first; the first of equals wins."""
    return sorted(enumerate(probabilities), key=lambda pair: -pair[1])


def _scaled(probabilities: Sequence[float]) -> List[float]:
    # The largest becomes one, so that no small temperature can underflow them all to zero.
    largest = max(probabilities)
    return [value / largest for value in probabilities]
