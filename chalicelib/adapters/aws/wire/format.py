"""How a container is asked."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

from chalicelib.adapters.aws.invocation import Question
from chalicelib.domain.inference import Prediction, ServedModel
from chalicelib.domain.ports import Clock

Send = Callable[[Question], bytes]


class WireFormat(ABC):
    @abstractmethod
    def predict(self, served: ServedModel, image: bytes, send: Send) -> Prediction:
        """Ask with `image` (JPEG, PNG or WebP, as it came) and read the answer; `send` goes to the endpoint and back.

        Raises: InvalidImageError, EndpointFailedError when the answer cannot be one; what `send` raises.
        """


class Stages:
    """Milliseconds by stage, one after the other."""

    def __init__(self, timer: Clock) -> None:
        self._timer = timer
        self._since_s = timer()
        self.timings_ms: dict[str, float] = {}

    def end(self, stage: str) -> None:
        now_s = self._timer()
        self.timings_ms[stage] = (now_s - self._since_s) * 1000
        self._since_s = now_s
