"""What went wrong at an endpoint, under the service's own names; each names the endpoint."""

from __future__ import annotations

import json
from typing import Any

from botocore.exceptions import ClientError, ConnectTimeoutError, ReadTimeoutError

from chalicelib.adapters.aws.failures import THROTTLED, code_of, message_of, status_of
from chalicelib.adapters.image_problems import BY_REASON
from chalicelib.domain.errors import (
    BinsightError,
    EndpointFailedError,
    EndpointThrottledError,
    EndpointTimeoutError,
    ModelUnavailableError,
)

NOT_READY = "ModelNotReadyException"
CONTAINER_ANSWERED = "ModelError"


def has_no_capacity(error: ClientError) -> bool:
    return code_of(error) in THROTTLED or (status_of(error) == 429 and code_of(error) != NOT_READY)


def is_broken(error: ClientError) -> bool:
    """On SageMaker's side: the container's own failures have a code of theirs."""
    return status_of(error) >= 500 and code_of(error) != CONTAINER_ANSWERED


def refusal(endpoint: str, failure: Exception | None) -> BinsightError:
    if isinstance(failure, ClientError):
        return _refusal_of_code(endpoint, failure)
    if failure is None or isinstance(failure, ReadTimeoutError | ConnectTimeoutError):
        return EndpointTimeoutError(
            f"Endpoint '{endpoint}' did not answer in time; try again, a cold endpoint's first answer takes longest.",
            endpoint=endpoint,
            retry_after_s=5,
        )
    return _unavailable(endpoint, f"cannot be reached ({failure})", 5)


def _refusal_of_code(endpoint: str, error: ClientError) -> BinsightError:
    code, message = code_of(error), message_of(error)
    if code == CONTAINER_ANSWERED:
        return _container_error(endpoint, error)
    if has_no_capacity(error):
        return EndpointThrottledError(
            f"Endpoint '{endpoint}' has no capacity left; try again.", endpoint=endpoint, retry_after_s=2
        )
    if code == NOT_READY:
        return _unavailable(endpoint, "is still loading its model", 10)
    if code in ("ValidationError", "ValidationException") and _is_absent(message):
        return _unavailable(endpoint, f"is not there, or not ready ({message})", 30)
    if is_broken(error):
        return _unavailable(endpoint, f"does not answer ({code})", 5)
    return failed(endpoint, f"{code}: {message}")


def _is_absent(message: str) -> bool:
    lower = message.lower()
    return "endpoint" in lower and any(
        words in lower for words in ("not found", "creat", "not in service", "inservice")
    )


def _container_error(endpoint: str, error: ClientError) -> BinsightError:
    """The container's own word: our container answers 400 with {"reason", "detail"} to a photo that it refuses."""
    answer: Any = error.response
    if answer.get("OriginalStatusCode") == 400:
        reason, detail = _container_refusal(answer.get("OriginalMessage", ""))
        if reason in BY_REASON:
            return BY_REASON[reason](detail)
    return failed(endpoint, f"its container answered {answer.get('OriginalStatusCode', 'an error')}")


def _container_refusal(message: str) -> tuple[str, str]:
    try:
        body = json.loads(message)
        return str(body["reason"]), str(body["detail"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return "", ""


def failed(endpoint: str, reason: str) -> EndpointFailedError:
    return EndpointFailedError(
        f"Endpoint '{endpoint}' gave no usable answer: {reason}.", endpoint=endpoint, retry_after_s=5
    )


def _unavailable(endpoint: str, reason: str, retry_after_s: int) -> ModelUnavailableError:
    return ModelUnavailableError(
        f"Endpoint '{endpoint}' {reason}; try again.", endpoint=endpoint, retry_after_s=retry_after_s
    )
