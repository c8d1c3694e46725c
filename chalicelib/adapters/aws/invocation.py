"""One question to an endpoint: tried again with jitter while the deadline allows, every failure under its own name."""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError, ReadTimeoutError

from chalicelib.adapters.aws.failures import code_of
from chalicelib.adapters.aws.invocation_failures import NOT_READY, failed, has_no_capacity, is_broken, refusal
from chalicelib.domain.ports import Clock

if TYPE_CHECKING:
    from mypy_boto3_sagemaker_runtime import SageMakerRuntimeClient

ClientFactory = Callable[[float], "SageMakerRuntimeClient"]

MAX_REPLY_BYTES = 2 << 20
CHUNK_BYTES = 64 << 10
MAX_TRIES = 5
PAUSE_S = 0.1
MAX_PAUSE_S = 2.0
# A client's time limit is fixed when it is made: a few of them, and each question takes the longest that still fits.
READ_TIMEOUTS_S = (24.5, 20.0, 15.0, 10.0, 6.0, 4.0, 2.5, 1.5, 1.0, 0.5, 0.25)


@dataclass(frozen=True)
class Question:
    """What an endpoint is sent."""

    body: bytes
    content_type: str


class Invocation:
    def __init__(
        self,
        client_for: ClientFactory,
        timer: Clock = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        """`client_for` makes a client with a read timeout in seconds; it is called once for each that is needed."""
        self._client_for = client_for
        self._timer = timer
        self._pause = pause
        self._clients: dict[float, SageMakerRuntimeClient] = {}
        self._making = threading.Lock()

    def __call__(self, endpoint: str, question: Question, deadline_s: float) -> bytes:
        """The reply's body.

        Raises: EndpointFailedError, EndpointThrottledError, EndpointTimeoutError, ModelUnavailableError, and
        InvalidImageError where our container refuses the photo.
        """
        end_s = self._timer() + deadline_s
        failure: Exception | None = None
        for tried in itertools.count(1):
            left_s = end_s - self._timer()
            if left_s < READ_TIMEOUTS_S[-1]:
                break
            try:
                return self._ask(endpoint, question, left_s)
            except (ClientError, BotoCoreError) as error:
                failure = error
            if not _may_be_tried_again(failure, tried):
                break
            self._pause(min(_pause_s(tried), max(0.0, end_s - self._timer())))
        raise refusal(endpoint, failure) from failure

    def _ask(self, endpoint: str, question: Question, left_s: float) -> bytes:
        reply = self._client(left_s).invoke_endpoint(
            EndpointName=endpoint,
            Body=question.body,
            ContentType=question.content_type,
            Accept="application/json",
        )
        body = bytearray()
        # `with` on the body itself would give urllib3's stream: its errors, and no word of an answer that broke off,
        # which only the read that finds the end notices.
        with closing(reply["Body"]) as stream:
            while chunk := stream.read(CHUNK_BYTES):
                body += chunk
                if len(body) > MAX_REPLY_BYTES:
                    raise failed(endpoint, f"its answer has more than {MAX_REPLY_BYTES} bytes")
        return bytes(body)

    def _client(self, left_s: float) -> SageMakerRuntimeClient:
        timeout_s = next(limit_s for limit_s in READ_TIMEOUTS_S if limit_s <= left_s)
        client = self._clients.get(timeout_s)
        if client is None:
            with self._making:
                client = self._clients.get(timeout_s) or self._client_for(timeout_s)
                self._clients[timeout_s] = client
        return client


def _may_be_tried_again(failure: Exception, tried: int) -> bool:
    """A model that is loading is asked until the deadline; an endpoint at its limit, or broken, a few times; a slow
    one is not asked again.
    """
    if isinstance(failure, ClientError):
        if code_of(failure) == NOT_READY:
            return True
        return (has_no_capacity(failure) or is_broken(failure)) and tried < MAX_TRIES
    return not isinstance(failure, ReadTimeoutError) and tried < MAX_TRIES


def _pause_s(tried: int) -> float:
    return random.uniform(0, min(MAX_PAUSE_S, PAUSE_S * 2 ** min(tried, 10)))
