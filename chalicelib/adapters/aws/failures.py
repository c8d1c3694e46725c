"""What botocore raises, read in one place; no error of a vendor leaves the adapters."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.domain.errors import StoreUnavailableError

THROTTLED = frozenset(
    {
        "LimitExceededException",
        "ProvisionedThroughputExceeded",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingError",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
RETRY_AFTER_S = 1


def code_of(error: ClientError) -> str:
    return error.response.get("Error", {}).get("Code", "Unknown")


def message_of(error: ClientError) -> str:
    return error.response.get("Error", {}).get("Message", "")


def status_of(error: ClientError) -> int:
    return error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)


@contextmanager
def store_errors(store: str, passing: frozenset[str] = frozenset()) -> Iterator[None]:
    """`store` is named in the detail; a ClientError whose code is `passing` is the caller's to read.

    Raises: StoreUnavailableError for whatever else the vendor raises inside.
    """
    try:
        yield
    except ClientError as error:
        if code_of(error) in passing:
            raise
        raise unavailable(store, f"{code_of(error)}: {message_of(error)}") from error
    except BotoCoreError as error:
        raise unavailable(store, str(error)) from error


def unavailable(store: str, reason: str) -> StoreUnavailableError:
    return StoreUnavailableError(
        f"{store} does not answer ({reason}); try again in a moment.", retry_after_s=RETRY_AFTER_S
    )
